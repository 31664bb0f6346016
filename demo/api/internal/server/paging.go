package server

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/watchword-dev/watchword/session"
)

// maxPage is how many entries of a list one answer has at most; who asks for more gets as many.
const maxPage = 100

// readPage reads which part of a list a request asks for: up to limit entries, and only those after the entry that before names,
// as "next" of an earlier answer did. It answers the request itself when it reports false.
func readPage[T any](w http.ResponseWriter, r *http.Request, parse func(string) (T, error)) (limit int, before T, ok bool) {
	limit = maxPage
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err == nil && query.Has("limit") {
		var n uint64
		n, err = strconv.ParseUint(query.Get("limit"), 10, 32)
		limit = int(min(n, maxPage))
	}
	if err == nil && query.Has("before") {
		before, err = parse(query.Get("before"))
	}
	if err != nil || limit < 1 {
		fail(w, http.StatusBadRequest, "invalid_request")
		return 0, before, false
	}
	return limit, before, true
}

// cut makes a page of a list that was read with one entry more than is shown, and reports whether there is another page.
func cut[T any](list []T, limit int) (page []T, more bool) {
	return list[:min(len(list), limit)], len(list) > limit
}

// parseHandle is session.ParseHandle for handles that name a session.
func parseHandle(text string) (session.Handle, error) {
	handle, err := session.ParseHandle(text)
	if err == nil && handle.IsZero() {
		return handle, errors.New("no session has it")
	}
	return handle, err
}
