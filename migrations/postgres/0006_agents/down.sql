DROP TABLE used_proofs;
DROP TABLE agents;
DROP INDEX users_of_owner;
ALTER TABLE users DROP COLUMN delegation_expires_at;
ALTER TABLE users DROP COLUMN delegated_scopes;
ALTER TABLE users DROP COLUMN owner_id;
