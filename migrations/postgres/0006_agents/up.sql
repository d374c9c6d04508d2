-- On whose behalf an agent acts, and how far. Covered by row_mac where it is set.
ALTER TABLE users ADD COLUMN owner_id TEXT COLLATE "C" REFERENCES users (id);
ALTER TABLE users ADD COLUMN delegated_scopes TEXT;
ALTER TABLE users ADD COLUMN delegation_expires_at BIGINT;

CREATE INDEX users_of_owner ON users (owner_id);

CREATE TABLE agents (
    user_id    TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES users (id),
    -- The ids from the root down to this agent, separated by '/'.
    lineage    TEXT COLLATE "C" NOT NULL UNIQUE CHECK (lineage LIKE '%' || user_id),
    creator_id TEXT COLLATE "C" NOT NULL REFERENCES users (id),
    purpose    TEXT,
    frozen_at  BIGINT,
    row_mac    TEXT NOT NULL CHECK (length(row_mac) = 81)
);

-- The last step whose code was accepted, for each receiver and purpose. Without a prover: no step
-- before this one is accepted, because its mark may have been dropped.
CREATE TABLE used_proofs (
    prover   TEXT COLLATE "C" NOT NULL,
    verifier TEXT COLLATE "C" NOT NULL,
    purpose  TEXT COLLATE "C" NOT NULL,
    step     BIGINT NOT NULL,
    PRIMARY KEY (prover, verifier, purpose)
);

CREATE INDEX used_proofs_step ON used_proofs (step);
