use keyward_crypto::TotpCode;

fn printed(secret: &TotpCode) -> String {
    format!("{secret}")
}

fn copied(secret: &TotpCode) -> TotpCode {
    Clone::clone(secret)
}

fn compared(one: &TotpCode, other: &TotpCode) -> bool {
    one == other
}

fn serialized(secret: &TotpCode) -> String {
    serde_json::to_string(secret).unwrap()
}

fn main() {}
