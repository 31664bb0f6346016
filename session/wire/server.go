package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// Server does for one request what adapters offer, whatever framework it came through. Its methods read the request and write
// the headers of the response, which h is; a status and a body are for the adapter to write. It is safe for concurrent use.
//
// Of the request they look at Method, Host, URL.Path, RemoteAddr, Header and the context, and Refresh at Body.
type Server struct {
	manager  *session.Manager
	contract *Contract
}

// NewServer makes a Server. The error matches session.ErrInvalidConfig and names the field.
func NewServer(manager *session.Manager, cfg Config) (*Server, error) {
	if manager == nil {
		return nil, fmt.Errorf("%w: a manager is required", session.ErrInvalidConfig)
	}
	contract, err := New(cfg)
	if err != nil {
		return nil, err
	}
	return &Server{manager: manager, contract: contract}, nil
}

// Manager returns the Manager, for what no single request asks for.
func (s *Server) Manager() *session.Manager { return s.manager }

// Contract returns the contract.
func (s *Server) Contract() *Contract { return s.contract }

// Requirements are what a request needs beside a good session.
type Requirements struct {
	// MaxAuthAge is how long ago the user may have proved who they are; zero: any time. A session that is good but for this gets
	// ErrReauthenticate: 403 with the code "reauthenticate". Its client is to ask the user for the password, say, and to send that
	// to a handler which calls Reauthenticated.
	MaxAuthAge time.Duration
	// Allow decides, by the access token's payload say, whether the session may do this; nil: it may. One that may not gets
	// session.ErrForbidden: 403. See PayloadAllows.
	Allow func(*session.Session) bool
}

// PayloadAllows makes a Requirements.Allow of a predicate on the access token's payload. A payload that is no T is refused.
func PayloadAllows[T any](allow func(T) bool) func(*session.Session) bool {
	return func(s *session.Session) bool {
		var payload T
		return s.Payload(&payload) == nil && allow(payload)
	}
}

// Create starts a session for a user who has just proved who they are, and gives its tokens to the client. The options' Device, if
// it is zero, becomes what the request shows of the client; see Config.TrustedProxies. The errors are those of
// session.Manager.Create, where ErrTooLarge also means that the access token does not fit into a cookie; ErrAntiCSRF; and
// ErrInvalidRequest. Answer them with Fail.
func (s *Server) Create(h http.Header, r *http.Request, userID string, opts session.CreateOptions) (*session.Session, error) {
	cred, err := s.contract.Read(r.Header)
	if err == nil {
		err = s.checkOrigin(r, cred)
	}
	if err != nil {
		return nil, err
	}
	if limit := s.maxAccessToken(cred); opts.MaxAccessToken <= 0 || limit > 0 && opts.MaxAccessToken > limit {
		opts.MaxAccessToken = limit
	}
	if opts.Device == (session.Device{}) {
		opts.Device = s.contract.Device(r.RemoteAddr, r.Header)
	}
	opts.AntiCSRF = s.asksForToken(cred)
	created, tokens, err := s.manager.Create(r.Context(), userID, opts)
	if err != nil {
		return nil, err
	}
	s.contract.SetTokens(h, cred.Transport, tokens)
	return created, nil
}

// Verify returns the session of a request. The errors are those of session.Manager.Verify, session.ErrForbidden and
// ErrInvalidRequest; answer them with Fail.
func (s *Server) Verify(h http.Header, r *http.Request, want Requirements) (*session.Session, error) {
	cred, err := s.contract.Read(r.Header)
	if err != nil {
		return nil, err
	}
	if upgrade(r) || mayChange(r.Method) && s.contract.cfg.AntiCSRF != AntiCSRFToken {
		if err := s.checkOrigin(r, cred); err != nil {
			return nil, err
		}
	}
	return s.verify(h, r, cred, want)
}

// VerifyOptional is Verify for requests that may be anonymous: without a session it returns nil. A session that needs a refresh, or
// fails the anti-CSRF check, is an error all the same: the user is not anonymous.
func (s *Server) VerifyOptional(h http.Header, r *http.Request) (*session.Session, error) {
	verified, err := s.Verify(h, r, Requirements{})
	if errors.Is(err, session.ErrUnauthorised) {
		return nil, nil
	}
	return verified, err
}

func (s *Server) verify(h http.Header, r *http.Request, cred Credentials, want Requirements) (*session.Session, error) {
	if !cred.HasID || cred.Transport == TransportHeader && len(cred.Access) == 0 {
		return nil, session.ErrUnauthorised
	}
	candidates := cred.Access
	if len(candidates) > 1 {
		candidates = s.manager.RankAccessTokens(r.Context(), candidates)
	}
	opts := session.VerifyOptions{
		CheckAntiCSRF: mayChange(r.Method) && s.asksForToken(cred), AntiCSRF: cred.AntiCSRF,
		MaxAuthAge: want.MaxAuthAge, MaxAccessToken: s.maxAccessToken(cred),
	}
	over := session.ErrTryRefresh
	for i, token := range candidates {
		verified, err := s.manager.Verify(r.Context(), token, opts)
		if err == nil {
			s.leaveOne(h, cred, verified, token)
			if want.Allow != nil && !want.Allow(verified) {
				return nil, session.ErrForbidden
			}
			return verified, nil
		}
		if errors.Is(err, session.ErrReauthenticate) || errors.Is(err, session.ErrUnavailable) {
			return nil, err // not an older session's business
		}
		if i == 0 || weight(err) > weight(over) {
			over = err
		}
	}
	if cred.stray[accessCookie] && errors.Is(over, session.ErrTryRefresh) {
		s.contract.emptyFormer(h, accessCookie) // no good wherever it is
	}
	return nil, over
}

// leaveOne sees to it that the client holds the newest access token, and one of each cookie that the request has shown.
func (s *Server) leaveOne(h http.Header, cred Credentials, verified *session.Session, token string) {
	now := s.manager.Now()
	tokens, renewed := verified.Renewed()
	if !renewed {
		tokens = session.Tokens{IssuedAt: now, AccessToken: token, AccessExpires: verified.AccessExpires()}
	}
	if renewed || cred.stray[accessCookie] {
		s.contract.SetTokens(h, cred.Transport, tokens)
	}
	if cred.stray[idCookie] {
		// How long the session lasts is not in the access token. One that ends before its id cookie is found out by a refresh.
		s.contract.put(h, idCookie, verified.RefreshID(), now, now.Add(s.manager.IdleLifetime()))
		noStore(h)
	}
}

// weight orders the errors of several tokens in one request: the one that leaves most of a session counts, and of sessions that
// have ended the first of which it is known why.
func weight(err error) int {
	var ended *session.EndedError
	switch {
	case errors.As(err, &ended) && ended.Reason != "":
		return 1
	case errors.Is(err, session.ErrUnauthorised):
		return 0
	case errors.Is(err, session.ErrTryRefresh):
		return 2
	default:
		return 3
	}
}

// Refresh exchanges the request's refresh token and gives the client the new ones. The errors are those of
// session.Manager.Refresh, ErrAntiCSRF and ErrInvalidRequest; answer them with Fail.
func (s *Server) Refresh(h http.Header, r *http.Request) (*session.Session, error) {
	cred, err := s.contract.Read(r.Header)
	if err == nil {
		err = s.checkOrigin(r, cred)
	}
	if err == nil && cred.Transport == TransportHeader && len(cred.Refresh) == 0 {
		cred.Refresh, err = readTokenBody(r)
	}
	if err != nil {
		return nil, err
	}
	opts := session.RefreshOptions{
		Device: s.contract.Device(r.RemoteAddr, r.Header), AntiCSRF: s.asksForToken(cred),
		Resend: cred.stray[refreshCookie], // of several cookies the client is to keep this one
	}
	over := session.ErrUnauthorised
	for i, token := range s.manager.RankRefreshTokens(r.Context(), cred.Refresh) {
		refreshed, tokens, err := s.manager.Refresh(r.Context(), token, opts)
		var theft *session.TheftError
		if errors.Is(err, session.ErrUnauthorised) && !errors.As(err, &theft) {
			if i == 0 || weight(err) > weight(over) {
				over = err
			}
			continue // that session is over; the jar may hold another one's token
		}
		if err != nil {
			return nil, err
		}
		s.contract.SetTokens(h, cred.Transport, tokens)
		return refreshed, nil
	}
	return nil, over
}

// maxTokenBody limits the body {"refresh_token":"…"}, in bytes.
const maxTokenBody = 4 << 10

// readTokenBody takes the refresh token of a client of headers from the request's body. None is no error: there is no session.
func readTokenBody(r *http.Request) ([]string, error) {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return nil, nil
	}
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return nil, fmt.Errorf("%w: a body that is not application/json", ErrInvalidRequest)
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxTokenBody+1))
	if err != nil || len(raw) > maxTokenBody {
		return nil, fmt.Errorf("%w: a body of more than %d bytes, or one that ended early", ErrInvalidRequest, maxTokenBody)
	}
	var body struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		return nil, fmt.Errorf("%w: a body that is no token", ErrInvalidRequest) // the error's text could hold part of one
	}
	if body.RefreshToken == "" {
		return nil, nil
	}
	return []string{body.RefreshToken}, nil
}

// Reauthenticated is to be called once the user of the verified session has proved again who they are: the password was checked
// against that user's, say. It gives the client new tokens, with which requests pass that Requirements.MaxAuthAge has refused,
// and returns the session as they have it. verified is the request's session; nil: it is looked for, as by Verify.
//
// The errors are those of session.Manager.Reauthenticated and of Verify; answer them with Fail. ErrTryRefresh asks the client to
// refresh and to repeat the request, proof and all.
func (s *Server) Reauthenticated(h http.Header, r *http.Request, verified *session.Session) (*session.Session, error) {
	cred, err := s.contract.Read(r.Header)
	if err == nil && verified == nil {
		verified, err = s.Verify(h, r, Requirements{})
	}
	if err != nil {
		return nil, err
	}
	renewed, tokens, err := s.manager.Reauthenticated(r.Context(), verified, session.RefreshOptions{
		Device: s.contract.Device(r.RemoteAddr, r.Header), AntiCSRF: s.asksForToken(cred),
	})
	if err != nil {
		return nil, err
	}
	s.contract.SetTokens(h, cred.Transport, tokens)
	return renewed, nil
}

// Logout ends the request's session and takes the client's tokens away. Without a session it only does the latter, so
// that logging out twice is no error. While the session cannot be ended the client keeps its tokens; answer the error
// with Fail.
func (s *Server) Logout(h http.Header, r *http.Request) error {
	cred, err := s.contract.Read(r.Header)
	if err == nil {
		err = s.checkOrigin(r, cred)
	}
	if err != nil {
		return err
	}
	verified, err := s.verify(h, r, cred, Requirements{})
	if err == nil {
		_, err = verified.Revoke(r.Context(), session.RevokeOptions{})
	}
	if err != nil && !errors.Is(err, session.ErrUnauthorised) {
		return err
	}
	s.Clear(h, r)
	return nil
}

// Clear takes the client's tokens away, after its session was ended by session.Manager.RevokeUser, say.
func (s *Server) Clear(h http.Header, r *http.Request) {
	s.contract.withdraw(h)
	if cred, err := s.contract.Read(r.Header); err != nil || cred.Transport != TransportHeader {
		s.contract.Clear(h)
	}
}

// Fail writes the headers of the answer to an error, and returns how it looks to the client, and the body: {"error":"<code>"}, with
// a "reason" where it is known why the session has ended.
func (s *Server) Fail(h http.Header, r *http.Request, err error) (failure Failure, body string) {
	failure = s.contract.Failure(err)
	if s.contract.cfg.OnFailure != nil && r.Context().Err() == nil { // else the client is gone, and the error says nothing but that
		s.contract.cfg.OnFailure(r, failure.Status, err)
	}
	return failure, s.contract.SetFailure(h, r.Header, failure)
}

func (s *Server) checkOrigin(r *http.Request, cred Credentials) error {
	if cred.Transport == TransportHeader {
		return nil
	}
	return s.contract.checkOrigin(r)
}

func (s *Server) asksForToken(cred Credentials) bool {
	return cred.Transport == TransportCookie && s.contract.asksForToken()
}

// maxAccessToken is the length of the longest access token that the client's transport can carry; zero: that of any.
func (s *Server) maxAccessToken(cred Credentials) int {
	if cred.Transport == TransportHeader {
		return 0
	}
	return s.contract.MaxAccessToken()
}
