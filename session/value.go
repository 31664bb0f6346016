package session

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// encodeValue turns an application's value into JSON. A json.RawMessage is taken byte for byte; nil is null.
func encodeValue(v any) (json.RawMessage, error) {
	raw, ok := v.(json.RawMessage)
	if !ok {
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalidJSON, err)
		}
		if !utf8.Valid(buf.Bytes()) { // by a MarshalJSON, or a json.RawMessage within
			return nil, ErrInvalidJSON
		}
		return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
	}
	if raw == nil {
		return json.RawMessage("null"), nil
	}
	if !utf8.Valid(raw) || !json.Valid(raw) {
		return nil, ErrInvalidJSON
	}
	return bytes.Clone(raw), nil
}

// encodePayload is encodeValue for a value that travels inside a token, where white space around it has no place.
func encodePayload(v any) (json.RawMessage, error) {
	raw, err := encodeValue(v)
	if err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	return bytes.Trim(raw, " \t\r\n"), nil
}

func (m *Manager) encodeData(v any) (json.RawMessage, error) {
	raw, err := encodeValue(v)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	if len(raw) > m.cfg.MaxDataBytes {
		return nil, fmt.Errorf("data: %w: %d bytes, at most %d", ErrTooLarge, len(raw), m.cfg.MaxDataBytes)
	}
	return raw, nil
}

func validUserID(id string) bool {
	return id != "" && len(id) <= 4*128 && utf8.ValidString(id) && utf8.RuneCountInString(id) <= 128
}
