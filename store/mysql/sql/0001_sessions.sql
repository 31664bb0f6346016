-- Version 1 of the schema of store/mysql, as Store.Migrate makes it.
-- Written by `go test . -run TestPlainFiles -update`.

-- Which migrations were applied.
CREATE TABLE IF NOT EXISTS `watchword_schema_version` (
  version    INT    NOT NULL,
  applied_at BIGINT NOT NULL,
  PRIMARY KEY (version)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = binary;

-- One row is one login of one user on one client. Its end is an update: the row stays, without payload and data, as the record
-- of how it ended and as the session's entry in the feed, until it is purged.
--
-- Everything is compared byte by byte. User ids are VARBINARY, not utf8mb4_bin, because that collation pads: it takes 'ann' and
-- 'ann ' for one user. 512 bytes are 128 characters of 4, and a label's 256 are 64. Marks are SHA-256. Times are microseconds
-- since 1970 in UTC. ending_detail is no VARBINARY, since escapes make it several times as long as what a thief can choose of
-- it, and an end that does not fit would be a session that lives on.
--
-- A session that nobody ended has no ended_at, and NULL comes first in an index. So by_user holds a user's live sessions, then
-- how the others ended, by time. by_end holds all live sessions by when they expire, then all that ended by when they did.
-- by_feed has entries with a time for sessions that were ended one by one.
CREATE TABLE IF NOT EXISTS `watchword_sessions` (
  handle          BINARY(16)      NOT NULL,
  user_id         VARBINARY(512)  NOT NULL,
  current_mark    BINARY(32)      NOT NULL,
  current_at      BIGINT          NOT NULL,
  generation      INT             NOT NULL,
  pending_mark    BINARY(32)      NULL,
  pending_at      BIGINT          NULL,
  handed_at       BIGINT          NULL,
  handed          INT             NOT NULL,
  previous_mark   BINARY(32)      NULL,
  rotated_at      BIGINT          NULL,
  auth_at         BIGINT          NOT NULL,
  pending_auth_at BIGINT          NULL,
  user_agent      VARBINARY(256)  NOT NULL,
  address         VARBINARY(64)   NOT NULL,
  label           VARBINARY(256)  NOT NULL,
  payload         MEDIUMBLOB      NULL,
  data            MEDIUMBLOB      NULL,
  data_version    BIGINT UNSIGNED NOT NULL,
  created_at      BIGINT          NOT NULL,
  expires_at      BIGINT          NOT NULL,
  ended_at        BIGINT          NULL,
  ending_id       BIGINT UNSIGNED NULL,
  ending_reason   VARBINARY(32)   NULL,
  ending_detail   BLOB            NULL,
  fed_at          BIGINT          NULL,
  PRIMARY KEY (handle),
  KEY by_user (user_id, ended_at, handle),
  KEY by_end (ended_at, expires_at),
  KEY by_feed (fed_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = binary;

INSERT IGNORE INTO `watchword_schema_version` (version, applied_at) VALUES (1, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)));
