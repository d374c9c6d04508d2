ALTER TABLE key_checks ADD COLUMN state TEXT NOT NULL DEFAULT 'decrypt-only'
    CHECK (state IN ('added', 'active', 'decrypt-only', 'retired'));

-- Of a secret that is retired: what verifies its part of the audit log, and only that.
ALTER TABLE key_checks ADD COLUMN audit_key TEXT CHECK (audit_key GLOB 'v1.*');

-- The check of an encryption key is under that key itself, that of a secret is not.
CREATE UNIQUE INDEX key_checks_active ON key_checks (state)
WHERE state = 'active' AND substr(sealed, 4, 16) = kid;

CREATE UNIQUE INDEX key_checks_signing ON key_checks (state)
WHERE state = 'active' AND substr(sealed, 4, 16) <> kid;

CREATE TABLE encryption_rotation (
    id          INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    state       TEXT    NOT NULL CHECK (state IN ('idle', 'running', 'paused', 'done')),
    total       INTEGER NOT NULL CHECK (total >= 0),
    started_at  INTEGER,
    -- Who does the next batch, and until when nobody else does.
    worker      TEXT    NOT NULL,
    lease_until INTEGER NOT NULL
) STRICT;

INSERT INTO encryption_rotation (id, state, total, started_at, worker, lease_until)
VALUES (1, 'idle', 0, NULL, '', 0);

CREATE TABLE serving_nodes (
    id         TEXT    NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 255),
    -- Ids of encryption keys and secrets, separated by spaces.
    held_keys  TEXT    NOT NULL,
    signs_with TEXT    NOT NULL,
    seen_at    INTEGER NOT NULL
) STRICT;

-- Nothing is sealed under a key that was retired.
CREATE TRIGGER credential_secrets_insert_key BEFORE INSERT ON credential_secrets
WHEN EXISTS (SELECT 1 FROM key_checks WHERE state = 'retired' AND kid = substr(NEW.sealed, 4, 16))
BEGIN SELECT RAISE(ABORT, 'the encryption key of this value is retired'); END;

CREATE TRIGGER credential_secrets_update_key BEFORE UPDATE OF sealed ON credential_secrets
WHEN EXISTS (SELECT 1 FROM key_checks WHERE state = 'retired' AND kid = substr(NEW.sealed, 4, 16))
BEGIN SELECT RAISE(ABORT, 'the encryption key of this value is retired'); END;

CREATE TRIGGER totp_secrets_insert_key BEFORE INSERT ON totp_secrets
WHEN EXISTS (
    SELECT 1 FROM key_checks WHERE state = 'retired'
    AND kid IN (substr(NEW.active, 4, 16), substr(NEW.pending, 4, 16))
)
BEGIN SELECT RAISE(ABORT, 'the encryption key of this value is retired'); END;

CREATE TRIGGER totp_secrets_update_key BEFORE UPDATE OF active, pending ON totp_secrets
WHEN EXISTS (
    SELECT 1 FROM key_checks WHERE state = 'retired'
    AND kid IN (substr(NEW.active, 4, 16), substr(NEW.pending, 4, 16))
)
BEGIN SELECT RAISE(ABORT, 'the encryption key of this value is retired'); END;

CREATE TRIGGER key_checks_insert_key BEFORE INSERT ON key_checks
WHEN EXISTS (
    SELECT 1 FROM key_checks WHERE state = 'retired' AND kid <> NEW.kid
    AND kid IN (substr(NEW.sealed, 4, 16), substr(NEW.audit_key, 4, 16))
)
BEGIN SELECT RAISE(ABORT, 'the encryption key of this value is retired'); END;

CREATE TRIGGER key_checks_update_key BEFORE UPDATE OF sealed, audit_key ON key_checks
WHEN EXISTS (
    SELECT 1 FROM key_checks WHERE state = 'retired' AND kid <> NEW.kid
    AND kid IN (substr(NEW.sealed, 4, 16), substr(NEW.audit_key, 4, 16))
)
BEGIN SELECT RAISE(ABORT, 'the encryption key of this value is retired'); END;

-- Nothing is signed by a secret that was retired: every change is in the audit log.
CREATE TRIGGER audit_events_key BEFORE INSERT ON audit_events
WHEN EXISTS (SELECT 1 FROM key_checks WHERE state = 'retired' AND kid = substr(NEW.mac, 1, 16))
BEGIN SELECT RAISE(ABORT, 'the secret that signs this is retired'); END;
