-- Version 4 of the schema of store/mysql, as Store.Migrate makes it.
-- Written by `go test . -run TestPlainFiles -update`.

-- Needs a library that knows version 3.
-- What a migration's file says in its first line, the schema says from here on: how old a library may be that works on it. It is
-- read by one that finds the schema at a version which it does not know.
ALTER TABLE `watchword_schema_version` ADD COLUMN needs INT NOT NULL DEFAULT 1, ALGORITHM = INSTANT;

INSERT IGNORE INTO `watchword_schema_version` (version, needs, applied_at) VALUES (4, 3, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)));
