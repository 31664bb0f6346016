-- Version 2 of the schema of store/mysql, as Store.Migrate makes it.
-- Written by `go test . -run TestPlainFiles -update`.

-- The unique key decides which of several processes makes the next key of a purpose.
CREATE TABLE IF NOT EXISTS `watchword_signing_keys` (
  kid          VARBINARY(64)   NOT NULL,
  purpose      VARBINARY(32)   NOT NULL,
  sequence     INT             NOT NULL,
  algorithm    VARBINARY(32)   NOT NULL,
  material     VARBINARY(8192) NOT NULL,
  public_half  VARBINARY(1024) NULL,
  activates_at BIGINT          NOT NULL,
  retires_at   BIGINT          NULL,
  PRIMARY KEY (kid),
  UNIQUE KEY by_sequence (purpose, sequence)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = binary;

INSERT IGNORE INTO `watchword_schema_version` (version, applied_at) VALUES (2, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)));
