-- What was imported carries MACs over numbers that are gone now, and works no more.
DELETE FROM api_keys WHERE kind = 'foreign';
ALTER TABLE api_keys DROP CONSTRAINT api_keys_kind_check;
ALTER TABLE api_keys ADD CONSTRAINT api_keys_kind_check CHECK (kind IN ('user', 'agent', 'login'));
DROP INDEX api_keys_legacy_id;
ALTER TABLE api_keys DROP COLUMN legacy_id;

DROP INDEX credentials_legacy_workspace_id;
DROP INDEX credentials_legacy_id;
ALTER TABLE credentials DROP COLUMN legacy_workspace_id;
ALTER TABLE credentials DROP COLUMN legacy_id;

DROP INDEX users_legacy_id;
ALTER TABLE users DROP COLUMN legacy_id;
