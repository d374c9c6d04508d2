DROP TABLE credential_uses;
DROP INDEX credentials_name;
-- What has rules carries a MAC over them, and is not genuine without them.
ALTER TABLE credentials DROP COLUMN broker;
