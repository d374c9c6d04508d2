-- Nothing is signed by a secret that was retired. The columns are those that rotation knows. Who retires
-- one takes the lock alone, as for encryption keys. After the change, because a trigger before it would
-- lock the row against those who only refer to it.
CREATE FUNCTION refuse_retired_mac() RETURNS trigger LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7738725088349021185);
    IF EXISTS (
        SELECT 1 FROM key_checks
        WHERE state = 'retired' AND kid IN (
            SELECT substr(to_jsonb(NEW) ->> name, 1, 16) FROM unnest(TG_ARGV) AS name
        )
    ) THEN
        RAISE EXCEPTION 'the secret that signs this is retired';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER users_secret AFTER INSERT OR UPDATE OF row_mac ON users
FOR EACH ROW EXECUTE FUNCTION refuse_retired_mac('row_mac');

CREATE TRIGGER api_keys_secret AFTER INSERT OR UPDATE OF row_mac, key_mac ON api_keys
FOR EACH ROW EXECUTE FUNCTION refuse_retired_mac('row_mac', 'key_mac');

CREATE TRIGGER credentials_secret AFTER INSERT OR UPDATE OF row_mac ON credentials
FOR EACH ROW EXECUTE FUNCTION refuse_retired_mac('row_mac');

CREATE TRIGGER agents_secret AFTER INSERT OR UPDATE OF row_mac ON agents
FOR EACH ROW EXECUTE FUNCTION refuse_retired_mac('row_mac');

CREATE TRIGGER recovery_codes_secret AFTER INSERT OR UPDATE OF mac ON recovery_codes
FOR EACH ROW EXECUTE FUNCTION refuse_retired_mac('mac');
