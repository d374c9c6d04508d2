use keyward_crypto::ApiKey;

fn printed(secret: &ApiKey) -> String {
    format!("{secret}")
}

fn copied(secret: &ApiKey) -> ApiKey {
    Clone::clone(secret)
}

fn compared(one: &ApiKey, other: &ApiKey) -> bool {
    one == other
}

fn serialized(secret: &ApiKey) -> String {
    serde_json::to_string(secret).unwrap()
}

fn main() {}
