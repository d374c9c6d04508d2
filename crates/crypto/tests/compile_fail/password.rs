use keyward_crypto::Password;

fn printed(secret: &Password) -> String {
    format!("{secret}")
}

fn copied(secret: &Password) -> Password {
    Clone::clone(secret)
}

fn compared(one: &Password, other: &Password) -> bool {
    one == other
}

fn serialized(secret: &Password) -> String {
    serde_json::to_string(secret).unwrap()
}

fn main() {}
