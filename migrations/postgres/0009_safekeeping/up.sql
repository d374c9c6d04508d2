-- The last time that something was kept outside, to remind people.
CREATE TABLE safekeeping (
    kind    TEXT   NOT NULL PRIMARY KEY CHECK (kind IN ('recovery-kit', 'backup')),
    at      BIGINT NOT NULL,
    -- Key ids, separated by spaces.
    key_ids TEXT   NOT NULL
);
