-- Nothing is signed by a secret that was retired. The columns are those that rotation knows.

CREATE TRIGGER users_insert_secret BEFORE INSERT ON users
WHEN EXISTS (SELECT 1 FROM key_checks WHERE state = 'retired' AND kid IN (substr(NEW.row_mac, 1, 16)))
BEGIN SELECT RAISE(ABORT, 'the secret that signs this is retired'); END;

CREATE TRIGGER users_update_secret BEFORE UPDATE OF row_mac ON users
WHEN EXISTS (SELECT 1 FROM key_checks WHERE state = 'retired' AND kid IN (substr(NEW.row_mac, 1, 16)))
BEGIN SELECT RAISE(ABORT, 'the secret that signs this is retired'); END;

CREATE TRIGGER api_keys_insert_secret BEFORE INSERT ON api_keys
WHEN EXISTS (SELECT 1 FROM key_checks WHERE state = 'retired' AND kid IN (substr(NEW.row_mac, 1, 16), substr(NEW.key_mac, 1, 16)))
BEGIN SELECT RAISE(ABORT, 'the secret that signs this is retired'); END;

CREATE TRIGGER api_keys_update_secret BEFORE UPDATE OF row_mac, key_mac ON api_keys
WHEN EXISTS (SELECT 1 FROM key_checks WHERE state = 'retired' AND kid IN (substr(NEW.row_mac, 1, 16), substr(NEW.key_mac, 1, 16)))
BEGIN SELECT RAISE(ABORT, 'the secret that signs this is retired'); END;

CREATE TRIGGER credentials_insert_secret BEFORE INSERT ON credentials
WHEN EXISTS (SELECT 1 FROM key_checks WHERE state = 'retired' AND kid IN (substr(NEW.row_mac, 1, 16)))
BEGIN SELECT RAISE(ABORT, 'the secret that signs this is retired'); END;

CREATE TRIGGER credentials_update_secret BEFORE UPDATE OF row_mac ON credentials
WHEN EXISTS (SELECT 1 FROM key_checks WHERE state = 'retired' AND kid IN (substr(NEW.row_mac, 1, 16)))
BEGIN SELECT RAISE(ABORT, 'the secret that signs this is retired'); END;

CREATE TRIGGER agents_insert_secret BEFORE INSERT ON agents
WHEN EXISTS (SELECT 1 FROM key_checks WHERE state = 'retired' AND kid IN (substr(NEW.row_mac, 1, 16)))
BEGIN SELECT RAISE(ABORT, 'the secret that signs this is retired'); END;

CREATE TRIGGER agents_update_secret BEFORE UPDATE OF row_mac ON agents
WHEN EXISTS (SELECT 1 FROM key_checks WHERE state = 'retired' AND kid IN (substr(NEW.row_mac, 1, 16)))
BEGIN SELECT RAISE(ABORT, 'the secret that signs this is retired'); END;

CREATE TRIGGER recovery_codes_insert_secret BEFORE INSERT ON recovery_codes
WHEN EXISTS (SELECT 1 FROM key_checks WHERE state = 'retired' AND kid IN (substr(NEW.mac, 1, 16)))
BEGIN SELECT RAISE(ABORT, 'the secret that signs this is retired'); END;

CREATE TRIGGER recovery_codes_update_secret BEFORE UPDATE OF mac ON recovery_codes
WHEN EXISTS (SELECT 1 FROM key_checks WHERE state = 'retired' AND kid IN (substr(NEW.mac, 1, 16)))
BEGIN SELECT RAISE(ABORT, 'the secret that signs this is retired'); END;
