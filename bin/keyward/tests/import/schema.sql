-- The tables of Pipelit that are imported; what differs between versions is in capitals.
CREATE TABLE user_profiles (
    id INTEGER NOT NULL PRIMARY KEY,
    username VARCHAR(150) NOT NULL UNIQUE,
    password_hash VARCHAR(255) NOT NULL,
    first_name VARCHAR(150) NOT NULL,
    last_name VARCHAR(150) NOT NULL,
    EXTERNAL
    github_username VARCHAR(255) NOT NULL,
    gitlab_username VARCHAR(255) NOT NULL,
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
    role VARCHAR(10) NOT NULL,
    created_by_agent_id INTEGER,
    totp_secret VARCHAR(500),
    mfa_enabled BOOLEAN NOT NULL,
    totp_last_used_at INTEGER
);
CREATE TABLE api_keys (
    id INTEGER NOT NULL PRIMARY KEY,
    user_id INTEGER NOT NULL,
    key KEY_TYPE NOT NULL UNIQUE,
    name VARCHAR(100) NOT NULL,
    prefix VARCHAR(8) NOT NULL,
    created_at DATETIME,
    last_used_at DATETIME,
    expires_at DATETIME,
    is_active BOOLEAN NOT NULL
);
CREATE TABLE credentials (
    id INTEGER NOT NULL PRIMARY KEY,
    user_profile_id INTEGER NOT NULL,
    name VARCHAR(255) NOT NULL,
    credential_type VARCHAR(20) NOT NULL,
    created_at DATETIME,
    updated_at DATETIME
);
CREATE TABLE llm_credentials (
    id INTEGER NOT NULL PRIMARY KEY,
    base_credentials_id INTEGER NOT NULL UNIQUE,
    provider_type VARCHAR(30) NOT NULL,
    api_key TEXT_TYPE,
    base_url VARCHAR(500),
    organization_id VARCHAR(255),
    custom_headers JSON
);
CREATE TABLE git_credentials (
    id INTEGER NOT NULL PRIMARY KEY,
    base_credentials_id INTEGER NOT NULL UNIQUE,
    provider VARCHAR(20) NOT NULL,
    credential_type VARCHAR(20) NOT NULL,
    ssh_private_key TEXT_TYPE,
    access_token TEXT_TYPE,
    username VARCHAR(255),
    webhook_secret VARCHAR(255)
);
CREATE TABLE gateway_credentials (
    id INTEGER NOT NULL PRIMARY KEY,
    base_credentials_id INTEGER NOT NULL UNIQUE,
    gateway_credential_id VARCHAR(255) NOT NULL,
    adapter_type VARCHAR(50) NOT NULL
);
CREATE TABLE tool_credentials (
    id INTEGER NOT NULL PRIMARY KEY,
    base_credentials_id INTEGER NOT NULL UNIQUE,
    tool_type VARCHAR(20) NOT NULL,
    config JSON,
    is_preferred BOOLEAN
);
CREATE TABLE workspaces (
    id INTEGER NOT NULL PRIMARY KEY,
    name VARCHAR(255) NOT NULL,
    user_profile_id INTEGER,
    env_vars JSON
);
