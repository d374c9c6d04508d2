use crate::parts;

/// Where an encrypted value belongs: table, column, row and owner.
///
/// A value that is moved elsewhere in the database does not open there, since the context is part
/// of its key. Give ids, never names that can change: after a change the value must be sealed
/// again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context(Box<[u8]>);

impl Context {
    /// The place of one value.
    ///
    /// # Panics
    ///
    /// If a part has 4 GiB or more.
    #[must_use]
    pub fn new(table: &str, column: &str, row: &str, owner: &str) -> Self {
        let places = [table, column, row, owner];
        let mut bytes = Vec::with_capacity(places.iter().map(|part| 4 + part.len()).sum());
        parts::encode(places.map(str::as_bytes), |chunk| {
            bytes.extend_from_slice(chunk);
        });
        Self(bytes.into())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_its_length_before_it() {
        let context = Context::new("ab", "", "c", "é");
        assert_eq!(
            context.as_bytes(),
            b"\0\0\0\x02ab\0\0\0\0\0\0\0\x01c\0\0\0\x02\xc3\xa9"
        );
    }

    #[test]
    fn letters_cannot_move_from_one_part_to_the_next() {
        assert_ne!(
            Context::new("ab", "c", "d", "e"),
            Context::new("a", "bc", "d", "e")
        );
        assert_ne!(
            Context::new("a", "b", "cd", "e"),
            Context::new("a", "b", "c", "de")
        );
    }
}
