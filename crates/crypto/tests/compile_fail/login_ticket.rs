use keyward_crypto::LoginTicket;

fn printed(secret: &LoginTicket) -> String {
    format!("{secret}")
}

fn copied(secret: &LoginTicket) -> LoginTicket {
    Clone::clone(secret)
}

fn compared(one: &LoginTicket, other: &LoginTicket) -> bool {
    one == other
}

fn serialized(secret: &LoginTicket) -> String {
    serde_json::to_string(secret).unwrap()
}

fn main() {}
