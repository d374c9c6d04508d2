use keyward_crypto::RecoveryCode;

fn printed(secret: &RecoveryCode) -> String {
    format!("{secret}")
}

fn copied(secret: &RecoveryCode) -> RecoveryCode {
    Clone::clone(secret)
}

fn compared(one: &RecoveryCode, other: &RecoveryCode) -> bool {
    one == other
}

fn serialized(secret: &RecoveryCode) -> String {
    serde_json::to_string(secret).unwrap()
}

fn main() {}
