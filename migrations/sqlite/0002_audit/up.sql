-- Texts that an event does not have are empty, as in its MAC.
CREATE TABLE audit_events (
    seq          INTEGER NOT NULL PRIMARY KEY CHECK (seq > 0),
    at           INTEGER NOT NULL,
    actor_kind   TEXT    NOT NULL CHECK (actor_kind IN ('human', 'agent', 'host', 'system')),
    actor_id     TEXT    NOT NULL,
    actor_key    TEXT    NOT NULL,
    request      TEXT    NOT NULL,
    action       TEXT    NOT NULL CHECK (length(action) > 0),
    subject_kind TEXT    NOT NULL,
    subject_id   TEXT    NOT NULL,
    details      TEXT    NOT NULL,
    mac          TEXT    NOT NULL CHECK (length(mac) = 81)
) STRICT;

CREATE TRIGGER audit_events_keep_on_update BEFORE UPDATE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'audit_events is append-only');
END;

CREATE TRIGGER audit_events_keep_on_delete BEFORE DELETE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'audit_events is append-only');
END;

-- INSERT OR REPLACE deletes without asking the trigger above.
CREATE TRIGGER audit_events_keep_on_replace BEFORE INSERT ON audit_events
WHEN EXISTS (SELECT 1 FROM audit_events WHERE seq = NEW.seq)
BEGIN
    SELECT RAISE(ABORT, 'audit_events is append-only');
END;

-- One row: the end of the chain. 0 and empty texts while there are no events.
CREATE TABLE audit_head (
    id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    seq      INTEGER NOT NULL,
    last_mac TEXT    NOT NULL,
    mac      TEXT    NOT NULL,
    CHECK (
        (seq = 0 AND last_mac = '' AND mac = '')
        OR (seq > 0 AND length(last_mac) = 81 AND length(mac) = 81)
    )
) STRICT;

INSERT INTO audit_head (id, seq, last_mac, mac) VALUES (1, 0, '', '');
