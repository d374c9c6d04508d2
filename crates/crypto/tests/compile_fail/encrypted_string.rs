use keyward_crypto::EncryptedString;

fn converted() -> EncryptedString {
    EncryptedString::from("plain text")
}

fn parsed() -> EncryptedString {
    "plain text".parse().unwrap()
}

fn printed(sealed: &EncryptedString) -> String {
    format!("{sealed}")
}

fn main() {}
