//! A Pipelit with which nothing is wrong, although some rows have to be repaired.

use crate::pipelit::{
    ADA_KEY, ADA_PASSWORD, AGENT_KEY, BOB_KEY, BOB_PASSWORD, KEY, Made, OLD_KEY, Pipelit, TOTP,
    bcrypt, encrypted, token,
};

pub(crate) fn healthy(made: Made) -> Pipelit {
    let mut pipelit = Pipelit::new(made);
    healthy_users(&mut pipelit, made);
    healthy_keys(&mut pipelit);
    healthy_credentials(&mut pipelit);
    pipelit
}

fn healthy_users(pipelit: &mut Pipelit, made: Made) {
    pipelit.user(
        1,
        "Ada",
        &[
            ("password_hash", &bcrypt(ADA_PASSWORD)),
            ("role", "'admin'"),
            ("first_name", "'Ada'"),
            ("last_name", "'Lovelace'"),
        ],
    );
    pipelit.user(
        2,
        "bob",
        &[
            ("password_hash", &bcrypt(BOB_PASSWORD)),
            ("totp_secret", &encrypted(TOTP)),
            ("mfa_enabled", "TRUE"),
            ("totp_last_used_at", "58000000"),
        ],
    );
    // An enrolment that was never finished, and no active key.
    pipelit.user(3, "carol", &[("totp_secret", "'not even a token'")]);
    let external = match made {
        Made::ByMigrations => ("telegram_user_id", "12345"),
        Made::ByStart => ("external_user_id", "'12345'"),
    };
    pipelit.user(4, "gw_12345", &[external, ("role", "'admin'")]);
    pipelit.user(5, "gateway_anonymous", &[]);
    pipelit.user(
        7,
        "agent_flow_node",
        &[
            ("role", "'admin'"),
            ("first_name", "'writes reports'"),
            ("totp_secret", &encrypted(TOTP)),
            ("mfa_enabled", "TRUE"),
        ],
    );
    // Its maker comes later in the table.
    pipelit.user(6, "agent_flow_child", &[("created_by_agent_id", "7")]);
}

fn healthy_keys(pipelit: &mut Pipelit) {
    let used = [("last_used_at", "'2025-05-05 05:05:05'")];
    pipelit.key(1, 1, ADA_KEY, &used);
    pipelit.key(2, 2, BOB_KEY, &[("expires_at", "'2099-01-01 00:00:00'")]);
    let second = "11111111-2222-3333-4444-555555555555";
    pipelit.key(3, 2, second, &[("name", "'laptop'")]);
    let revoked = "66666666-7777-8888-9999-000000000000";
    pipelit.key(4, 3, revoked, &[("is_active", "FALSE")]);
    pipelit.key(5, 7, AGENT_KEY, &[]);
    let session = "c2Vzc2lvbnMtYXJlLWxlZnQtb3V0LW9mLXRoZS1pbXA";
    pipelit.key(6, 1, session, &[("name", "'session'")]);
}

fn healthy_credentials(pipelit: &mut Pipelit) {
    pipelit.credential(
        1,
        1,
        "llm",
        &[
            ("provider_type", "'openai'"),
            ("api_key", &encrypted("sk-proj-0123456789abcdefwxyz")),
            ("base_url", "'https://api.example.com/v1'"),
            ("organization_id", "''"),
            ("custom_headers", r#"'{"X-Team": "secret-of-the-team"}'"#),
        ],
    );
    let twice = encrypted(&token(OLD_KEY, "sk-encrypted-twice-0001"));
    let llm = |key| {
        [
            ("provider_type", "'anthropic'"),
            ("api_key", key),
            ("base_url", "''"),
        ]
    };
    pipelit.credential(2, 2, "llm", &llm(&twice));
    pipelit.credential(3, 2, "llm", &llm("'sk-in-the-clear-0002'"));
    other_credentials(pipelit);
    workspaces(pipelit);
}

fn other_credentials(pipelit: &mut Pipelit) {
    pipelit.credential(
        4,
        2,
        "git",
        &[
            ("provider", "'github'"),
            ("credential_type", "'token'"),
            ("access_token", &encrypted("ghp_0123456789abcdef")),
            ("ssh_private_key", "''"),
            ("username", "'bob'"),
            ("webhook_secret", "'hook-secret-0003'"),
        ],
    );
    pipelit.credential(
        5,
        2,
        "gateway",
        &[
            ("gateway_credential_id", "'tg-main'"),
            ("adapter_type", "'telegram'"),
        ],
    );
    pipelit.credential(
        6,
        7,
        "tool",
        &[
            ("tool_type", "'search'"),
            (
                "config",
                r#"'{"api_key": "brave-0004", "max_results": 5, "none": null}'"#,
            ),
            ("is_preferred", "TRUE"),
        ],
    );
}

fn workspaces(pipelit: &mut Pipelit) {
    pipelit.insert(
        "workspaces",
        &[
            ("id", "1"),
            ("name", "'lab'"),
            ("user_profile_id", "2"),
            (
                "env_vars",
                r#"'[{"key": "TOKEN", "value": "raw-secret-0005", "source": "raw"},
                     {"key": "LINK", "credential_id": 1, "credential_field": "api_key",
                      "source": "credential"}]'"#,
            ),
        ],
    );
    pipelit.insert(
        "workspaces",
        &[("id", "2"), ("name", "'empty'"), ("env_vars", "'[]'")],
    );
}

/// Every secret that the healthy rows hold, and that nothing may print.
pub(crate) const SECRETS: [&str; 14] = [
    "sk-proj-0123456789abcdefwxyz",
    "secret-of-the-team",
    "sk-encrypted-twice-0001",
    "sk-in-the-clear-0002",
    "ghp_0123456789abcdef",
    "hook-secret-0003",
    "brave-0004",
    "raw-secret-0005",
    "gAAAAA",
    "$2b$",
    TOTP,
    ADA_KEY,
    BOB_KEY,
    KEY,
];
