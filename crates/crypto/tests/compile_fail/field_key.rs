use keyward_crypto::FieldKey;

fn printed(secret: &FieldKey) -> String {
    format!("{secret}")
}

fn copied(secret: &FieldKey) -> FieldKey {
    Clone::clone(secret)
}

fn compared(one: &FieldKey, other: &FieldKey) -> bool {
    one == other
}

fn serialized(secret: &FieldKey) -> String {
    serde_json::to_string(secret).unwrap()
}

fn main() {}
