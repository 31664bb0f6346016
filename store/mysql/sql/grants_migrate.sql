-- The rights of the user who migrates, and of nobody else: to be run by an administrator before the first migration, and anew with each
-- release that adds a table. The user exists; `app` and 'watchword_migrate'@'%' stand for your schema and user.
--
-- It can make these tables and change them, but cannot read what is in them, drop them, or touch any other. MySQL asks for INSERT
-- where a table is altered.

GRANT CREATE, ALTER, INDEX, INSERT ON `app`.`watchword_sessions` TO 'watchword_migrate'@'%';
GRANT CREATE, ALTER, INDEX, INSERT ON `app`.`watchword_signing_keys` TO 'watchword_migrate'@'%';
GRANT CREATE, ALTER, INDEX, INSERT ON `app`.`watchword_revocations` TO 'watchword_migrate'@'%';
GRANT CREATE, ALTER, INDEX, INSERT, SELECT ON `app`.`watchword_schema_version` TO 'watchword_migrate'@'%';
