-- How a credential may be used through the broker: a JSON object. Covered by row_mac where it is set.
ALTER TABLE credentials ADD COLUMN broker TEXT CHECK (broker LIKE '{%}');

-- Requests name credentials as people do.
CREATE INDEX credentials_name ON credentials (name, id);

-- How often each user has used a credential in the minute that is counted.
CREATE TABLE credential_uses (
    credential_id TEXT COLLATE "C" NOT NULL REFERENCES credentials (id) ON DELETE CASCADE,
    user_id       TEXT COLLATE "C" NOT NULL REFERENCES users (id),
    minute        BIGINT NOT NULL,
    uses          BIGINT NOT NULL CHECK (uses >= 1),
    PRIMARY KEY (credential_id, user_id)
);
