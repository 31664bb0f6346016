package storetest

import (
	"context"
	"errors"
	"strconv"

	"github.com/watchword-dev/watchword/session"
)

// keeping are the operations on what is kept with a session.
var keeping = []operation{
	{
		name: "SetData", prepare: (*client).login,
		act: func(ctx context.Context, c *client) error {
			_, err := c.process.SetData(ctx, c.handle, 1)
			return err
		},
		check: func(c *client) { c.hasData("1"); c.goesOn() },
	},
	{
		// One that nobody else writes gets no conflict but with itself, and then reads again.
		name: "UpdateData", prepare: (*client).login,
		act: func(ctx context.Context, c *client) error {
			data, err := c.process.Data(ctx, c.handle)
			if err != nil {
				return err
			}
			version, err := c.process.UpdateData(ctx, c.handle, data.Version, c.told+1)
			if err == nil {
				c.told++
				c.scratch = version
			}
			return err
		},
		check: func(c *client) {
			c.hasData(strconv.Itoa(c.told))
			data, err := c.eager.Data(c.ctx, c.handle)
			if err != nil || data.Version != c.scratch {
				c.t.Errorf("I7: got version %v, %v, want %v, as was answered", data.Version, err, c.scratch)
			}
			c.goesOn()
		},
	},
	{
		name: "SetPayload", prepare: (*client).login,
		act: func(ctx context.Context, c *client) error {
			return c.process.SetPayload(ctx, c.handle, 1, session.PayloadOptions{})
		},
		check: func(c *client) {
			equalBytes(c.t, "Payload", c.row().Payload, []byte("1"))
			c.goesOn()
			equalBytes(c.t, "payload of the client's access token", c.session.RawPayload(), []byte("1"))
		},
	},
	{
		name: "SetLabel", prepare: (*client).login,
		act: func(ctx context.Context, c *client) error {
			return c.process.SetLabel(ctx, c.handle, "label")
		},
		check: func(c *client) { equal(c.t, "Label", c.row().Label, "label"); c.goesOn() },
	},
	{
		name: "Reading", prepare: (*client).login,
		act: func(ctx context.Context, c *client) error {
			infos, err := c.process.Sessions(ctx, c.user, session.Page{})
			if err == nil && (len(infos) != 1 || infos[0].Handle != c.handle) {
				c.t.Errorf("Sessions: got %v, want the one", infos)
			}
			if err == nil {
				_, err = c.process.Lookup(ctx, c.handle)
			}
			if err == nil {
				_, err = c.process.Data(ctx, c.handle)
			}
			if err == nil {
				_, err = c.process.Endings(ctx, c.user, session.EndingsPage{})
			}
			return err
		},
		check: (*client).goesOn,
	},
	{
		// Each verification asks the store, and while that does not answer nobody gets in, nor out.
		name: "I9_StrictVerification", config: func(cfg *session.Config) { cfg.Revocation = session.RevocationStrict },
		prepare: (*client).login,
		act: func(ctx context.Context, c *client) error {
			_, err := c.process.Verify(ctx, c.tokens.AccessToken, session.VerifyOptions{})
			return err
		},
		check: (*client).goesOn,
	},
}

func isUnauthorised(err error) bool { return errors.Is(err, session.ErrUnauthorised) }

func (c *client) hasData(want string) {
	c.t.Helper()
	data, _, err := c.Data(c.ctx, c.handle)
	if err != nil {
		c.t.Fatalf("Data: %v", err)
	}
	equalBytes(c.t, "I7: data", data, []byte(want))
}
