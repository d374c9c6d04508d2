use keyward_crypto::TotpSecret;

fn printed(secret: &TotpSecret) -> String {
    format!("{secret}")
}

fn copied(secret: &TotpSecret) -> TotpSecret {
    Clone::clone(secret)
}

fn compared(one: &TotpSecret, other: &TotpSecret) -> bool {
    one == other
}

fn serialized(secret: &TotpSecret) -> String {
    serde_json::to_string(secret).unwrap()
}

fn main() {}
