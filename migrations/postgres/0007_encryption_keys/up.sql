ALTER TABLE key_checks ADD COLUMN state TEXT NOT NULL DEFAULT 'decrypt-only'
    CHECK (state IN ('added', 'active', 'decrypt-only', 'retired'));

-- Of a secret that is retired: what verifies its part of the audit log, and only that.
ALTER TABLE key_checks ADD COLUMN audit_key TEXT CHECK (audit_key LIKE 'v1.%');

-- The check of an encryption key is under that key itself, that of a secret is not.
CREATE UNIQUE INDEX key_checks_active ON key_checks (state)
WHERE state = 'active' AND substr(sealed, 4, 16) = kid;

CREATE UNIQUE INDEX key_checks_signing ON key_checks (state)
WHERE state = 'active' AND substr(sealed, 4, 16) <> kid;

CREATE TABLE encryption_rotation (
    id          BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    state       TEXT   NOT NULL CHECK (state IN ('idle', 'running', 'paused', 'done')),
    total       BIGINT NOT NULL CHECK (total >= 0),
    started_at  BIGINT,
    -- Who does the next batch, and until when nobody else does.
    worker      TEXT   NOT NULL,
    lease_until BIGINT NOT NULL
);

INSERT INTO encryption_rotation (id, state, total, started_at, worker, lease_until)
VALUES (1, 'idle', 0, NULL, '', 0);

CREATE TABLE serving_nodes (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 255),
    -- Ids of encryption keys and secrets, separated by spaces.
    held_keys  TEXT   NOT NULL,
    signs_with TEXT   NOT NULL,
    seen_at    BIGINT NOT NULL
);

-- Nothing is sealed under a key that was retired. Who retires one takes the same lock alone: it
-- waits for those who have written a sealed value, and those who come later see that the key is
-- retired, because every statement of this function reads anew.
CREATE FUNCTION refuse_retired_key() RETURNS trigger LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7738725088349021185);
    IF EXISTS (
        SELECT 1 FROM key_checks
        WHERE state = 'retired' AND kid IN (
            SELECT substr(to_jsonb(NEW) ->> name, 4, 16) FROM unnest(TG_ARGV) AS name
        ) AND kid IS DISTINCT FROM to_jsonb(NEW) ->> 'kid'
    ) THEN
        RAISE EXCEPTION 'the encryption key of this value is retired';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER credential_secrets_key BEFORE INSERT OR UPDATE OF sealed ON credential_secrets
FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('sealed');

CREATE TRIGGER totp_secrets_key BEFORE INSERT OR UPDATE OF active, pending ON totp_secrets
FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('active', 'pending');

CREATE TRIGGER key_checks_key BEFORE INSERT OR UPDATE OF sealed, audit_key ON key_checks
FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('sealed', 'audit_key');

-- Nothing is signed by a secret that was retired: every change is in the audit log. Who retires one
-- holds the lock of the log, and every statement of this function reads anew.
CREATE FUNCTION refuse_retired_secret() RETURNS trigger LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM key_checks WHERE state = 'retired' AND kid = substr(NEW.mac, 1, 16)
    ) THEN
        RAISE EXCEPTION 'the secret that signs this is retired';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER audit_events_key BEFORE INSERT ON audit_events
FOR EACH ROW EXECUTE FUNCTION refuse_retired_secret();
