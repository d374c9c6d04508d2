-- The numbers that imported rows had where they come from. Covered by row_mac where they are set.
ALTER TABLE users ADD COLUMN legacy_id INTEGER;
CREATE UNIQUE INDEX users_legacy_id ON users (legacy_id);

ALTER TABLE credentials ADD COLUMN legacy_id INTEGER;
ALTER TABLE credentials ADD COLUMN legacy_workspace_id INTEGER
    CHECK (legacy_id IS NULL OR legacy_workspace_id IS NULL);
CREATE UNIQUE INDEX credentials_legacy_id ON credentials (legacy_id);
CREATE UNIQUE INDEX credentials_legacy_workspace_id ON credentials (legacy_workspace_id);

-- SQLite cannot change a CHECK: the table is made anew, with the kind `foreign`.
CREATE TABLE api_keys_with_foreign (
    id           TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    kind         TEXT    NOT NULL CHECK (kind IN ('user', 'agent', 'login', 'foreign')),
    user_id      TEXT    NOT NULL REFERENCES users (id),
    name         TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    scopes       TEXT    NOT NULL CHECK (length(scopes) <= 1000),
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    last_used_at INTEGER,
    key_mac      TEXT    NOT NULL CHECK (length(key_mac) = 81),
    row_mac      TEXT    NOT NULL CHECK (length(row_mac) = 81),
    fresh_until  INTEGER,
    legacy_id    INTEGER
) STRICT;

INSERT INTO api_keys_with_foreign (
    id, kind, user_id, name, scopes, created_at, expires_at, revoked_at, last_used_at, key_mac,
    row_mac, fresh_until
)
SELECT id, kind, user_id, name, scopes, created_at, expires_at, revoked_at, last_used_at, key_mac,
    row_mac, fresh_until
FROM api_keys;

DROP TABLE api_keys;
ALTER TABLE api_keys_with_foreign RENAME TO api_keys;
CREATE INDEX api_keys_of_user ON api_keys (user_id, created_at, id);
CREATE UNIQUE INDEX api_keys_legacy_id ON api_keys (legacy_id);
