package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/watchword-dev/watchword/session"
)

// data answers with the session's data, byte for byte, and its version as entity tag.
func (a *api) data(w http.ResponseWriter, r *http.Request) {
	data, err := current(r).Data(r.Context())
	if err != nil {
		a.sessions.WriteError(w, r, err)
		return
	}
	w.Header().Set("ETag", etag(data.Version))
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(data.Raw) // the client may be gone; there is nobody to tell
}

// putData replaces the session's data: if it still is what the client has read, with If-Match, or else whatever it is.
func (a *api) putData(w http.ResponseWriter, r *http.Request) {
	body, ok := readJSON(w, r, session.DefaultMaxDataBytes)
	if !ok {
		return
	}
	version, err := a.replace(r, body)
	switch {
	case errors.Is(err, session.ErrConflict):
		fail(w, http.StatusPreconditionFailed, "conflict")
	case err != nil:
		a.sessions.WriteError(w, r, err)
	default:
		w.Header().Set("ETag", etag(version))
		respond(w, http.StatusOK, struct{}{})
	}
}

func (a *api) replace(r *http.Request, body []byte) (session.Version, error) {
	s := current(r)
	condition := strings.TrimSpace(strings.Join(r.Header.Values("If-Match"), ","))
	if condition == "" || condition == "*" { // a session always has data
		return s.SetData(r.Context(), json.RawMessage(body))
	}
	versions := matching(condition)
	switch len(versions) {
	case 0:
		return 0, session.ErrConflict
	case 1:
		return s.UpdateData(r.Context(), versions[0], json.RawMessage(body))
	}
	now, err := s.Data(r.Context())
	if err != nil {
		return 0, err
	}
	for _, v := range versions {
		if v == now.Version {
			return s.UpdateData(r.Context(), v, json.RawMessage(body))
		}
	}
	return 0, session.ErrConflict
}

func etag(v session.Version) string { return `"` + strconv.FormatUint(uint64(v), 16) + `"` }

// matching returns the versions that an If-Match header names (RFC 9110, section 13.1.1). Weak tags never match, nor do
// tags of any other form than etag's.
func matching(condition string) []session.Version {
	var versions []session.Version
	for tag := range strings.SplitSeq(condition, ",") {
		tag = strings.TrimSpace(tag)
		n, err := strconv.ParseUint(strings.Trim(tag, `"`), 16, 64)
		// No data has version 0, which UpdateData would take for "whatever it is".
		if v := session.Version(n); err == nil && v != 0 && etag(v) == tag {
			versions = append(versions, v)
		}
	}
	return versions
}
