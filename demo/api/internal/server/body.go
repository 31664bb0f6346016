package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"unicode/utf8"
)

// maxBody limits the bodies of everything but session data.
const maxBody = 4 << 10

// readJSON reads a body that says it is JSON, up to a limit. It answers the request itself when it reports false.
//
// To ask for the content type is also what keeps other sites' forms from logging a visitor in: no form can send it, and
// scripts of another origin need leave (Fetch standard, "CORS-safelisted request-header").
func readJSON(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, bool) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		fail(w, http.StatusUnsupportedMediaType, "unsupported_media_type")
		return nil, false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		fail(w, http.StatusRequestEntityTooLarge, "too_large")
		return nil, false
	case err != nil, !utf8.Valid(body): // encoding/json would make two different texts one
		fail(w, http.StatusBadRequest, "invalid_request")
		return nil, false
	}
	return body, true
}

// decode reads a body of exactly one JSON value into v. It answers the request itself when it reports
// false.
func decode(w http.ResponseWriter, r *http.Request, v any) bool {
	body, ok := readJSON(w, r, maxBody)
	if !ok {
		return false
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := dec.Decode(v); err != nil {
		fail(w, http.StatusBadRequest, "invalid_request")
		return false
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		fail(w, http.StatusBadRequest, "invalid_request")
		return false
	}
	return true
}
