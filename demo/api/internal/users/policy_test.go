package users

import (
	"strings"
	"testing"
)

func TestRulesOfPasswords(t *testing.T) {
	t.Parallel()
	const published = "watchword-demo-login"
	for password, want := range map[string]Rule{
		"":                         TooShort,
		"fourteen chars":           TooShort,
		strings.Repeat("é", 14):    TooShort, // characters, not bytes
		"fifteen chars !":          "",
		"vierzehn ein ü.":          "",
		"наша первая ель":          "",
		"correct horse battery":    "",
		"123 is not the end of it": "",
		"the user annabella":       "",
		"🦉🐢🦊🐻🐼🐨🐯🦁🐮🐷🐸🐵🐔🐧🐦":                          "",
		strings.Repeat("🦉🐢🦊🐻", 15) + "🐧🐦🐤🦆":        "", // 64 characters of four bytes
		strings.Repeat("🦉🐢🦊🐻", 15) + "🐧🐦🐤🦆.":       TooLong,
		"x" + strings.Repeat("correct horse ", 19): TooLong,

		"aaaaaaaaaaaaaaa":              Common,
		"!!!!!!!!!!!!!!!!":             Common,
		"passwordpassword":             Common,
		"Hello world. Hello world. He": Common,
		"abcabcabcabcabcab":            Common,
		"123456789012345":              Common,
		"098765432109876":              Common,
		"abcdefghijklmnop":             Common,
		"qwertyuiopasdfgh":             Common,
		"1234 qwer asdf zxcv":          Common,
		"1qaz2wsx3edc4rfv":             Common,
		"Mnbvcxz-Lkjhgfdsa":            Common,
		"azertyuiopqsdfgh":             Common,
		"password12345678":             Common,
		"2026!IloveYou!2026":           Common,
		"Correct-Horse-Battery-Staple": Common,
		"This is my password!":         Common,
		published:                      Common,

		"annabella.miller":   IsUserID,
		"Annabella Miller":   IsUserID,
		"annabella.miller!!": IsUserID,
	} {
		err := judge("annabella.miller", password, published)
		if want != "" {
			wantRule(t, password, err, want)
		} else if err != nil {
			t.Errorf("%s: got %v", password, err)
		}
	}
	if err := judge("demo", published, ""); err != nil {
		t.Errorf("the demo's own password: %v", err)
	}
	wantRule(t, "an id that fold leaves nothing of", judge("!§$%&/()=?!§$%&", "!§$%&/()=?!§$%&", ""), IsUserID)
}

// TestRefusalsShowNoPassword: errors end up in logs.
func TestRefusalsShowNoPassword(t *testing.T) {
	t.Parallel()
	if err := judge("ann", "passwordpassword", ""); err == nil || strings.Contains(err.Error(), "passwordpassword") {
		t.Errorf("got %v", err)
	}
}
