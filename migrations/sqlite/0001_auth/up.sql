CREATE TABLE users (
    id            TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 36),
    username      TEXT    NOT NULL CHECK (length(username) BETWEEN 1 AND 255),
    kind          TEXT    NOT NULL CHECK (kind IN ('human', 'agent')),
    role          TEXT    NOT NULL CHECK (role IN ('admin', 'normal')),
    status        TEXT    NOT NULL CHECK (status IN ('active', 'disabled', 'deleted')),
    password_hash TEXT    CHECK (length(password_hash) BETWEEN 1 AND 512),
    first_name    TEXT    NOT NULL CHECK (length(first_name) <= 150),
    last_name     TEXT    NOT NULL CHECK (length(last_name) <= 150),
    created_at    INTEGER NOT NULL,
    version       INTEGER NOT NULL CHECK (version >= 0),
    row_mac       TEXT    NOT NULL CHECK (length(row_mac) = 81)
) STRICT;

-- The name of a deleted user is free again.
CREATE UNIQUE INDEX users_username ON users (username) WHERE status <> 'deleted';

CREATE TABLE api_keys (
    id           TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    kind         TEXT    NOT NULL CHECK (kind IN ('user', 'agent', 'login')),
    user_id      TEXT    NOT NULL REFERENCES users (id),
    name         TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    scopes       TEXT    NOT NULL CHECK (length(scopes) <= 1000),
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    last_used_at INTEGER,
    key_mac      TEXT    NOT NULL CHECK (length(key_mac) = 81),
    row_mac      TEXT    NOT NULL CHECK (length(row_mac) = 81)
) STRICT;

CREATE INDEX api_keys_of_user ON api_keys (user_id, created_at, id);

CREATE TABLE idempotency_keys (
    user_id     TEXT    NOT NULL REFERENCES users (id),
    key         TEXT    NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    fingerprint TEXT    NOT NULL CHECK (length(fingerprint) = 81),
    -- Empty between the claim and the end of its transaction.
    answer      TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (user_id, key)
) STRICT;

CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);
