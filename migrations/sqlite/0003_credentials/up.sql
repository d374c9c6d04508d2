CREATE TABLE credentials (
    id              TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 36),
    name            TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    credential_type TEXT    NOT NULL
        CHECK (credential_type IN ('llm', 'git', 'gateway', 'tool', 'generic')),
    created_by      TEXT    NOT NULL REFERENCES users (id),
    -- A JSON object of strings.
    open_fields     TEXT    NOT NULL CHECK (open_fields GLOB '{*}'),
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    version         INTEGER NOT NULL CHECK (version >= 0),
    row_mac         TEXT    NOT NULL CHECK (length(row_mac) = 81)
) STRICT;

CREATE INDEX credentials_created_by ON credentials (created_by, id);

CREATE TABLE credential_secrets (
    credential_id TEXT NOT NULL REFERENCES credentials (id) ON DELETE CASCADE,
    field         TEXT NOT NULL CHECK (length(field) BETWEEN 1 AND 255),
    sealed        TEXT NOT NULL CHECK (sealed GLOB 'v1.*'),
    last4         TEXT CHECK (length(last4) BETWEEN 1 AND 4),
    PRIMARY KEY (credential_id, field)
) STRICT;
