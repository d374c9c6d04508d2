-- Texts that an event does not have are empty, as in its MAC.
CREATE TABLE audit_events (
    seq          BIGINT NOT NULL PRIMARY KEY CHECK (seq > 0),
    at           BIGINT NOT NULL,
    actor_kind   TEXT   NOT NULL CHECK (actor_kind IN ('human', 'agent', 'host', 'system')),
    actor_id     TEXT   NOT NULL,
    actor_key    TEXT   NOT NULL,
    request      TEXT   NOT NULL,
    action       TEXT   NOT NULL CHECK (length(action) > 0),
    subject_kind TEXT   NOT NULL,
    subject_id   TEXT   NOT NULL,
    details      TEXT   NOT NULL,
    mac          TEXT   NOT NULL CHECK (length(mac) = 81)
);

CREATE FUNCTION audit_events_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_events is append-only';
END
$$;

CREATE TRIGGER audit_events_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
FOR EACH STATEMENT EXECUTE FUNCTION audit_events_keep();

-- One row: the end of the chain. 0 and empty texts while there are no events.
CREATE TABLE audit_head (
    id       BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    seq      BIGINT NOT NULL,
    last_mac TEXT   NOT NULL,
    mac      TEXT   NOT NULL,
    CHECK (
        (seq = 0 AND last_mac = '' AND mac = '')
        OR (seq > 0 AND length(last_mac) = 81 AND length(mac) = 81)
    )
);

INSERT INTO audit_head (id, seq, last_mac, mac) VALUES (1, 0, '', '');
