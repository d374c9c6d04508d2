-- On whose behalf an agent acts, and how far. Covered by row_mac where it is set.
ALTER TABLE users ADD COLUMN owner_id TEXT REFERENCES users (id);
ALTER TABLE users ADD COLUMN delegated_scopes TEXT;
ALTER TABLE users ADD COLUMN delegation_expires_at INTEGER;

CREATE INDEX users_of_owner ON users (owner_id);

CREATE TABLE agents (
    user_id    TEXT NOT NULL PRIMARY KEY REFERENCES users (id),
    -- The ids from the root down to this agent, separated by '/'.
    lineage    TEXT NOT NULL UNIQUE CHECK (lineage LIKE '%' || user_id),
    creator_id TEXT NOT NULL REFERENCES users (id),
    purpose    TEXT,
    frozen_at  INTEGER,
    row_mac    TEXT NOT NULL CHECK (length(row_mac) = 81)
) STRICT;

-- The last step whose code was accepted, for each receiver and purpose. Without a prover: no step
-- before this one is accepted, because its mark may have been dropped.
CREATE TABLE used_proofs (
    prover   TEXT    NOT NULL,
    verifier TEXT    NOT NULL,
    purpose  TEXT    NOT NULL,
    step     INTEGER NOT NULL,
    PRIMARY KEY (prover, verifier, purpose)
) STRICT;

CREATE INDEX used_proofs_step ON used_proofs (step);
