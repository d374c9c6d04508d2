DROP TABLE credential_secrets;
DROP TABLE credentials;
