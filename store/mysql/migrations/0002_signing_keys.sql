-- The unique key decides which of several processes makes the next key of a purpose.
CREATE TABLE IF NOT EXISTS `{{prefix}}signing_keys` (
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
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = binary
