use std::fmt;

use keyward_crypto::random_bytes;

use crate::base32;

macro_rules! public_ids {
    ($($(#[$doc:meta])* $name:ident),+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; BYTES]);

        impl $name {
            pub(crate) fn generate() -> Self {
                Self(random_bytes())
            }

            pub(crate) fn from_bytes(bytes: [u8; BYTES]) -> Self {
                Self(bytes)
            }

            pub(crate) fn as_bytes(&self) -> &[u8; BYTES] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&shown(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    )+};
}

public_ids! {
    /// Names a kit: drawn at random, eight characters in two groups. No secret.
    KitId,
    /// Names one division of a kit into shares. No secret.
    SplitId
}

fn shown(bytes: [u8; BYTES]) -> String {
    let mut text = String::new();
    base32::encode(&bytes, &mut text);
    text.insert(4, '-');
    text
}

/// Eight characters.
pub(crate) const BYTES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_two_groups_of_four() {
        assert_eq!(KitId::from_bytes(*b"fooba").to_string(), "CSQP-YRK1");
        assert_eq!(
            format!("{:?}", SplitId::from_bytes([0; 5])),
            "SplitId(0000-0000)"
        );
    }

    #[test]
    fn two_ids_differ() {
        assert_ne!(KitId::generate(), KitId::generate());
    }
}
