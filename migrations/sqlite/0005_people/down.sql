DROP TABLE login_tickets;
DROP TABLE attempts;
DROP TABLE recovery_codes;
DROP TABLE totp_secrets;
ALTER TABLE api_keys DROP COLUMN fresh_until;
ALTER TABLE users DROP COLUMN mfa_since;
