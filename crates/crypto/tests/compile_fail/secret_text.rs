use keyward_crypto::SecretText;

fn printed(secret: &SecretText) -> String {
    format!("{secret}")
}

fn copied(secret: &SecretText) -> SecretText {
    Clone::clone(secret)
}

fn compared(one: &SecretText, other: &SecretText) -> bool {
    one == other
}

fn serialized(secret: &SecretText) -> String {
    serde_json::to_string(secret).unwrap()
}

fn main() {}
