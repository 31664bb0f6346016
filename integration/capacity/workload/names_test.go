package workload

import (
	"testing"

	"github.com/watchword-dev/watchword/integration/capacity/model"
)

// What MySQL's digests have of statements that came by vtgate.
func TestNamesOfDigests(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"SELECT `payload` , `handle` FROM `watchword_sessions` WHERE `handle` = `UNHEX` (?) LIMIT ?":                                                                                     "read of a session",
		"UPDATE `watchword_sessions` SET `pending_mark` = `UNHEX` (?) , `pending_at` = ? LIMIT ?":                                                                                        "new refresh token",
		"SELECT `fed_at` AS `at` , `handle` FROM `watchword_sessions` WHERE `fed_at` >= ? ORDER BY `fed_at` ASC LIMIT ?":                                                                 "feed",
		"SELECT `handle` FROM `watchword_sessions` WHERE `user_id` = ? AND `handle` != `UNHEX` (?)":                                                                                      "find a user's sessions",
		"SELECT `handle` , `expires_at` FROM `watchword_sessions` WHERE `expires_at` >= ?":                                                                                               "cleanup: find",
		"DELETE FROM `watchword_revocations` WHERE `revoked_at` < ? LIMIT ?":                                                                                                             "cleanup: remove revocations",
		"SELECT /*vt+ CONSOLIDATOR=disabled */ data, data_version FROM `watchword_sessions`":                                                                                             "read of data",
		"SELECT ? , `ending_id` FROM `watchword_sessions` WHERE `user_id` = (_charset) ? ORDER BY `watchword_sessions` . `ended_at` DESC , `watchword_sessions` . `handle` DESC LIMIT ?": "endings",
		"SELECT ? , `ending_id` FROM `watchword_sessions` WHERE `user_id` = (_charset) ? ORDER BY `watchword_sessions` . `handle` DESC LIMIT ?":                                          "list",
		"SELECT ?": Other,
	} {
		if got := Name(text); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

// Each name of the model is one that a statement may have.
func TestPatternsHaveEachNameOfTheModel(t *testing.T) {
	t.Parallel()
	have := map[string]bool{}
	for _, p := range patterns {
		have[p.name] = true
	}
	for _, o := range model.All() {
		for _, sharded := range []bool{false, true} {
			for _, s := range o.Sends(sharded) {
				if !have[s.Name] {
					t.Errorf("%s: there is no pattern for its statement %q", o.Name, s.Name)
				}
			}
		}
	}
}
