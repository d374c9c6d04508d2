-- Since when a second factor is asked for. Covered by row_mac where it is set.
ALTER TABLE users ADD COLUMN mfa_since INTEGER;

-- Until when the second factor of the owner counts as shown. Covered by row_mac where it is set.
ALTER TABLE api_keys ADD COLUMN fresh_until INTEGER;

CREATE TABLE totp_secrets (
    user_id            TEXT NOT NULL PRIMARY KEY REFERENCES users (id),
    active             TEXT CHECK (active GLOB 'v1.*'),
    pending            TEXT CHECK (pending GLOB 'v1.*'),
    pending_expires_at INTEGER,
    CHECK ((pending IS NULL) = (pending_expires_at IS NULL))
) STRICT;

CREATE TABLE recovery_codes (
    user_id TEXT NOT NULL REFERENCES users (id),
    mac     TEXT NOT NULL CHECK (length(mac) = 81),
    PRIMARY KEY (user_id, mac)
) STRICT;

-- Attempts are counted before they are evaluated. Rows of factors stay for ever, so that a new
-- secret gives no new tries.
CREATE TABLE attempts (
    subject      TEXT    NOT NULL PRIMARY KEY CHECK (length(subject) BETWEEN 1 AND 255),
    account      TEXT    REFERENCES users (id),
    fails        INTEGER NOT NULL CHECK (fails >= 0),
    window_start INTEGER NOT NULL,
    window_count INTEGER NOT NULL CHECK (window_count >= 0),
    locked_until INTEGER NOT NULL,
    disabled_at  INTEGER,
    last_step    INTEGER NOT NULL,
    touched_at   INTEGER NOT NULL
) STRICT;

CREATE INDEX attempts_of_account ON attempts (account);
CREATE INDEX attempts_touched_at ON attempts (touched_at);

-- A code whose step was accepted is never accepted again.
CREATE TRIGGER attempts_keep_last_step BEFORE UPDATE ON attempts
WHEN NEW.last_step < OLD.last_step
BEGIN
    SELECT RAISE(ABORT, 'attempts.last_step never decreases');
END;

CREATE TABLE login_tickets (
    id         TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    ticket_mac TEXT    NOT NULL CHECK (length(ticket_mac) = 81),
    user_id    TEXT    NOT NULL REFERENCES users (id),
    expires_at INTEGER NOT NULL,
    tries      INTEGER NOT NULL CHECK (tries >= 0),
    row_mac    TEXT    NOT NULL CHECK (length(row_mac) = 81)
) STRICT;

CREATE INDEX login_tickets_of_user ON login_tickets (user_id);
CREATE INDEX login_tickets_expires_at ON login_tickets (expires_at);
