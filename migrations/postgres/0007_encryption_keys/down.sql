DROP TRIGGER key_checks_key ON key_checks;
DROP TRIGGER totp_secrets_key ON totp_secrets;
DROP TRIGGER credential_secrets_key ON credential_secrets;
DROP FUNCTION refuse_retired_key();
DROP TABLE serving_nodes;
DROP TABLE encryption_rotation;
DROP INDEX key_checks_active;
ALTER TABLE key_checks DROP COLUMN state;
