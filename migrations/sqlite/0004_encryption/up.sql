-- A known text under each encryption key, by which a wrong key is noticed.
CREATE TABLE key_checks (
    kid        TEXT    NOT NULL PRIMARY KEY CHECK (length(kid) = 16),
    sealed     TEXT    NOT NULL CHECK (sealed GLOB 'v1.*'),
    created_at INTEGER NOT NULL
) STRICT;
