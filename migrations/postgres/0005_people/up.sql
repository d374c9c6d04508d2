-- Since when a second factor is asked for. Covered by row_mac where it is set.
ALTER TABLE users ADD COLUMN mfa_since BIGINT;

-- Until when the second factor of the owner counts as shown. Covered by row_mac where it is set.
ALTER TABLE api_keys ADD COLUMN fresh_until BIGINT;

CREATE TABLE totp_secrets (
    user_id            TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES users (id),
    active             TEXT CHECK (active LIKE 'v1.%'),
    pending            TEXT CHECK (pending LIKE 'v1.%'),
    pending_expires_at BIGINT,
    CHECK ((pending IS NULL) = (pending_expires_at IS NULL))
);

CREATE TABLE recovery_codes (
    user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id),
    mac     TEXT COLLATE "C" NOT NULL CHECK (length(mac) = 81),
    PRIMARY KEY (user_id, mac)
);

-- Attempts are counted before they are evaluated. Rows of factors stay for ever, so that a new
-- secret gives no new tries.
CREATE TABLE attempts (
    subject      TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(subject) BETWEEN 1 AND 255),
    account      TEXT COLLATE "C" REFERENCES users (id),
    fails        BIGINT NOT NULL CHECK (fails >= 0),
    window_start BIGINT NOT NULL,
    window_count BIGINT NOT NULL CHECK (window_count >= 0),
    locked_until BIGINT NOT NULL,
    disabled_at  BIGINT,
    last_step    BIGINT NOT NULL,
    touched_at   BIGINT NOT NULL
);

CREATE INDEX attempts_of_account ON attempts (account);
CREATE INDEX attempts_touched_at ON attempts (touched_at);

-- A code whose step was accepted is never accepted again.
CREATE FUNCTION attempts_keep_last_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.last_step < OLD.last_step THEN
        RAISE EXCEPTION 'attempts.last_step never decreases';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER attempts_keep_last_step BEFORE UPDATE ON attempts
FOR EACH ROW EXECUTE FUNCTION attempts_keep_last_step();

CREATE TABLE login_tickets (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    ticket_mac TEXT   NOT NULL CHECK (length(ticket_mac) = 81),
    user_id    TEXT COLLATE "C" NOT NULL REFERENCES users (id),
    expires_at BIGINT NOT NULL,
    tries      BIGINT NOT NULL CHECK (tries >= 0),
    row_mac    TEXT   NOT NULL CHECK (length(row_mac) = 81)
);

CREATE INDEX login_tickets_of_user ON login_tickets (user_id);
CREATE INDEX login_tickets_expires_at ON login_tickets (expires_at);
