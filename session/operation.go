package session

import "context"

// Operation names a call of a Manager that asks the store; see Config.OnOperation.
type Operation string

// The operations. Verify is one only where it asks the store: at the first use of a token after a refresh, and under RevocationStrict.
const (
	OpCreate         Operation = "create"
	OpVerify         Operation = "verify"
	OpRefresh        Operation = "refresh"
	OpReauthenticate Operation = "reauthenticate"
	OpRevoke         Operation = "revoke" // RevokeOwned, too
	OpRevokeUser     Operation = "revoke_user"
	OpRevokeAll      Operation = "revoke_all"
	OpSessions       Operation = "sessions"
	OpLookup         Operation = "lookup"
	OpEndings        Operation = "endings"
	OpData           Operation = "data"
	OpSetData        Operation = "set_data" // UpdateData, too
	OpSetPayload     Operation = "set_payload"
	OpSetLabel       Operation = "set_label"
	OpRotateKeys     Operation = "rotate_keys"
)

// Operations returns them all.
func Operations() []Operation {
	return []Operation{
		OpCreate, OpVerify, OpRefresh, OpReauthenticate, OpRevoke, OpRevokeUser, OpRevokeAll, OpSessions, OpLookup, OpEndings,
		OpData, OpSetData, OpSetPayload, OpSetLabel, OpRotateKeys,
	}
}

// begin tells of the beginning of an operation, and returns what tells of its end, and the context for what lies between. It is called as
//
//	ctx, done := m.begin(ctx, OpCreate)
//	defer func() { done(err) }()
func (m *Manager) begin(ctx context.Context, op Operation) (context.Context, func(error)) {
	if m.cfg.OnOperation == nil {
		return ctx, func(error) {}
	}
	return m.cfg.OnOperation(ctx, op)
}
