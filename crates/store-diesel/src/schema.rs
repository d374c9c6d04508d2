diesel::table! {
    users (id) {
        id -> Text,
        username -> Text,
        kind -> Text,
        role -> Text,
        status -> Text,
        password_hash -> Nullable<Text>,
        first_name -> Text,
        last_name -> Text,
        created_at -> BigInt,
        version -> BigInt,
        row_mac -> Text,
        mfa_since -> Nullable<BigInt>,
        owner_id -> Nullable<Text>,
        delegated_scopes -> Nullable<Text>,
        delegation_expires_at -> Nullable<BigInt>,
        legacy_id -> Nullable<BigInt>,
    }
}

diesel::table! {
    api_keys (id) {
        id -> Text,
        kind -> Text,
        user_id -> Text,
        name -> Text,
        scopes -> Text,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
        key_mac -> Text,
        row_mac -> Text,
        fresh_until -> Nullable<BigInt>,
        legacy_id -> Nullable<BigInt>,
    }
}

diesel::table! {
    idempotency_keys (user_id, key) {
        user_id -> Text,
        key -> Text,
        fingerprint -> Text,
        answer -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    audit_events (seq) {
        seq -> BigInt,
        at -> BigInt,
        actor_kind -> Text,
        actor_id -> Text,
        actor_key -> Text,
        request -> Text,
        action -> Text,
        subject_kind -> Text,
        subject_id -> Text,
        details -> Text,
        mac -> Text,
    }
}

diesel::table! {
    audit_head (id) {
        id -> BigInt,
        seq -> BigInt,
        last_mac -> Text,
        mac -> Text,
    }
}

diesel::table! {
    credentials (id) {
        id -> Text,
        name -> Text,
        credential_type -> Text,
        created_by -> Text,
        open_fields -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
        version -> BigInt,
        row_mac -> Text,
        legacy_id -> Nullable<BigInt>,
        legacy_workspace_id -> Nullable<BigInt>,
        broker -> Nullable<Text>,
    }
}

diesel::table! {
    credential_secrets (credential_id, field) {
        credential_id -> Text,
        field -> Text,
        sealed -> Text,
        last4 -> Nullable<Text>,
    }
}

diesel::table! {
    key_checks (kid) {
        kid -> Text,
        sealed -> Text,
        created_at -> BigInt,
        state -> Text,
        audit_key -> Nullable<Text>,
    }
}

diesel::table! {
    encryption_rotation (id) {
        id -> BigInt,
        state -> Text,
        total -> BigInt,
        started_at -> Nullable<BigInt>,
        worker -> Text,
        lease_until -> BigInt,
    }
}

diesel::table! {
    serving_nodes (id) {
        id -> Text,
        held_keys -> Text,
        signs_with -> Text,
        seen_at -> BigInt,
    }
}

diesel::table! {
    safekeeping (kind) {
        kind -> Text,
        at -> BigInt,
        key_ids -> Text,
    }
}

diesel::table! {
    totp_secrets (user_id) {
        user_id -> Text,
        active -> Nullable<Text>,
        pending -> Nullable<Text>,
        pending_expires_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    recovery_codes (user_id, mac) {
        user_id -> Text,
        mac -> Text,
    }
}

diesel::table! {
    attempts (subject) {
        subject -> Text,
        account -> Nullable<Text>,
        fails -> BigInt,
        window_start -> BigInt,
        window_count -> BigInt,
        locked_until -> BigInt,
        disabled_at -> Nullable<BigInt>,
        last_step -> BigInt,
        touched_at -> BigInt,
        month_start -> BigInt,
        month_fails -> BigInt,
    }
}

diesel::table! {
    login_tickets (id) {
        id -> Text,
        ticket_mac -> Text,
        user_id -> Text,
        expires_at -> BigInt,
        tries -> BigInt,
        row_mac -> Text,
    }
}

diesel::table! {
    agents (user_id) {
        user_id -> Text,
        lineage -> Text,
        creator_id -> Text,
        purpose -> Nullable<Text>,
        frozen_at -> Nullable<BigInt>,
        row_mac -> Text,
    }
}

diesel::table! {
    kept_time (id) {
        id -> BigInt,
        at -> BigInt,
    }
}

diesel::table! {
    used_proofs (prover, verifier, purpose) {
        prover -> Text,
        verifier -> Text,
        purpose -> Text,
        step -> BigInt,
    }
}

diesel::joinable!(agents -> users (user_id));
diesel::joinable!(api_keys -> users (user_id));
diesel::joinable!(credential_secrets -> credentials (credential_id));
diesel::allow_tables_to_appear_in_same_query!(users, api_keys, agents, totp_secrets);
diesel::allow_tables_to_appear_in_same_query!(credentials, credential_secrets);
