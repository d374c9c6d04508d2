-- The latest time that was seen, in one row, so that nothing that had ended goes on after a restart with a
-- clock that was set back.
CREATE TABLE kept_time (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    at INTEGER NOT NULL
) STRICT;
