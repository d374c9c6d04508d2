DROP TRIGGER users_secret ON users;
DROP TRIGGER api_keys_secret ON api_keys;
DROP TRIGGER credentials_secret ON credentials;
DROP TRIGGER agents_secret ON agents;
DROP TRIGGER recovery_codes_secret ON recovery_codes;
DROP FUNCTION refuse_retired_mac();
