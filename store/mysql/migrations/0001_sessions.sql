-- One row is one login of one user on one client.
--
-- Everything is compared byte by byte. User ids are VARBINARY, not utf8mb4_bin, because that collation pads: it takes 'ann' and
-- 'ann ' for one user. 512 bytes are 128 characters of 4. Marks are SHA-256. Times are microseconds since 1970 in UTC.
CREATE TABLE IF NOT EXISTS `{{prefix}}sessions` (
  handle        BINARY(16)      NOT NULL,
  user_id       VARBINARY(512)  NOT NULL,
  current_mark  BINARY(32)      NOT NULL,
  current_at    BIGINT          NOT NULL,
  pending_mark  BINARY(32)      NULL,
  pending_at    BIGINT          NULL,
  handed_at     BIGINT          NULL,
  handed        INT             NOT NULL,
  previous_mark BINARY(32)      NULL,
  rotated_at    BIGINT          NULL,
  payload       MEDIUMBLOB      NULL,
  data          MEDIUMBLOB      NULL,
  data_version  BIGINT UNSIGNED NOT NULL,
  created_at    BIGINT          NOT NULL,
  expires_at    BIGINT          NOT NULL,
  PRIMARY KEY (handle),
  KEY by_user (user_id, handle),
  KEY by_expiry (expires_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = binary
