-- The numbers that imported rows had where they come from. Covered by row_mac where they are set.
ALTER TABLE users ADD COLUMN legacy_id BIGINT;
CREATE UNIQUE INDEX users_legacy_id ON users (legacy_id);

ALTER TABLE credentials ADD COLUMN legacy_id BIGINT;
ALTER TABLE credentials ADD COLUMN legacy_workspace_id BIGINT
    CHECK (legacy_id IS NULL OR legacy_workspace_id IS NULL);
CREATE UNIQUE INDEX credentials_legacy_id ON credentials (legacy_id);
CREATE UNIQUE INDEX credentials_legacy_workspace_id ON credentials (legacy_workspace_id);

ALTER TABLE api_keys ADD COLUMN legacy_id BIGINT;
CREATE UNIQUE INDEX api_keys_legacy_id ON api_keys (legacy_id);
ALTER TABLE api_keys DROP CONSTRAINT api_keys_kind_check;
ALTER TABLE api_keys ADD CONSTRAINT api_keys_kind_check
    CHECK (kind IN ('user', 'agent', 'login', 'foreign'));
