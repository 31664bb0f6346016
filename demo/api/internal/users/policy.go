package users

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The lengths of passwords, after NIST SP 800-63B-4, section 3.1.1.2: at least 15 characters where a password is all that is asked for. A
// character is a code point. The upper bound is in bytes, lets 64 characters of any script through, and has the hash cost what it costs.
const (
	MinPassword      = 15
	maxPasswordBytes = 256
)

// Rule is what a password breaks. There are none about which kinds of characters it has to have (same section).
type Rule string

// The rules.
const (
	TooShort Rule = "too_short"
	TooLong  Rule = "too_long"
	Common   Rule = "common"     // among the first that anybody would try
	IsUserID Rule = "is_user_id" // which everybody may know
)

// WeakPasswordError says which rule a password breaks that somebody wants to have.
type WeakPasswordError struct{ Rule Rule }

// Error names the rule, never the password.
func (e *WeakPasswordError) Error() string {
	return fmt.Sprintf("the password is not acceptable: %s", e.Rule)
}

// judge returns a *WeakPasswordError for a password that nobody should choose; published is one that everybody knows.
func judge(userID, password, published string) error {
	switch {
	case len(password) > maxPasswordBytes:
		return &WeakPasswordError{TooLong}
	case utf8.RuneCountInString(password) < MinPassword:
		return &WeakPasswordError{TooShort}
	case password == userID, fold(userID) != "" && fold(password) == fold(userID):
		return &WeakPasswordError{IsUserID}
	case published != "" && password == published, common(password):
		return &WeakPasswordError{Common}
	}
	return nil
}

// common reports whether a password is made the way that guessing programs try first: by repetition, along the keyboard, or of a
// well-known word and digits.
func common(password string) bool {
	text := fold(password)
	return repeats([]rune(strings.ToLower(password))) || alongTheKeyboard(text) || wellKnown[strings.Trim(text, "0123456789")]
}

// fold drops what people vary first: case, spaces and punctuation.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsNumber(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// repeats reports whether text is something shorter than a password, again and again.
func repeats(text []rune) bool {
	for period := 1; period < MinPassword && 2*period <= len(text); period++ {
		i := period
		for i < len(text) && text[i] == text[i-period] {
			i++
		}
		if i == len(text) {
			return true
		}
	}
	return false
}

// rows are the orders that fingers and children know.
var rows = withReversed(
	"abcdefghijklmnopqrstuvwxyz", "01234567890", "1234567890qwertyuiopasdfghjklzxcvbnm", // US
	"qwertzuiopasdfghjklyxcvbnm", "azertyuiopqsdfghjklmwxcvbn", // German, French
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p", "1q2w3e4r5t6y7u8i9o0p", // the columns of the US keyboard, and from row to row
)

func withReversed(rows ...string) []string {
	for _, row := range rows {
		var reversed strings.Builder
		for i := len(row) - 1; i >= 0; i-- {
			reversed.WriteByte(row[i])
		}
		rows = append(rows, reversed.String())
	}
	return rows
}

// alongTheKeyboard reports whether text is nothing but pieces of rows, of at least three keys each.
func alongTheKeyboard(text string) bool {
	const piece = 3
	for rest := text; rest != ""; {
		longest := 0
		for _, row := range rows {
			n := longest
			for n < len(rest) && strings.Contains(row, rest[:n+1]) {
				n++
			}
			longest = n
		}
		if longest < piece {
			return false
		}
		rest = rest[longest:]
	}
	return text != ""
}
