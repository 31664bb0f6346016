-- Version 3 of the schema of store/mysql, as Store.Migrate makes it.
-- Written by `go test . -run TestPlainFiles -update`.

-- The entries of the feed that are not one session's: all sessions of a user, or everybody's where there is no user. They are
-- read and removed by time, and so are kept in that order. The id tells those of one microsecond apart. It is random, since on
-- a cluster that writes on several nodes AUTO_INCREMENT says nothing.
CREATE TABLE IF NOT EXISTS `watchword_revocations` (
  revoked_at BIGINT         NOT NULL,
  id         BINARY(16)     NOT NULL,
  user_id    VARBINARY(512) NOT NULL,
  reason     VARBINARY(32)  NOT NULL,
  PRIMARY KEY (revoked_at, id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = binary;

INSERT IGNORE INTO `watchword_schema_version` (version, applied_at) VALUES (3, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)));
