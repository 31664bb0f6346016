-- The rights of the user that the API's processes connect as: to be run by an administrator after the first migration, since tables have to
-- exist before they can be granted, and anew with each release that adds one. The user exists; `app` and 'watchword_api'@'%'
-- stand for your schema and user.
--
-- It can do all that a store does, including the cleanup, whose GET_LOCK needs no right, but cannot change the schema. It reads
-- the schema's version and never writes it. Store.Migrate is a SELECT for it, or an error that says which migration is missing.

GRANT SELECT, INSERT, UPDATE, DELETE ON `app`.`watchword_sessions` TO 'watchword_api'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON `app`.`watchword_signing_keys` TO 'watchword_api'@'%';
GRANT SELECT, INSERT, DELETE ON `app`.`watchword_revocations` TO 'watchword_api'@'%';
GRANT SELECT ON `app`.`watchword_schema_version` TO 'watchword_api'@'%';
