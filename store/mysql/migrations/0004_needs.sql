-- Needs a library that knows version 3.
-- What a migration's file says in its first line, the schema says from here on: how old a library may be that works on it. It is
-- read by one that finds the schema at a version which it does not know.
ALTER TABLE `{{prefix}}schema_version` ADD COLUMN needs INT NOT NULL DEFAULT 1, ALGORITHM = INSTANT
