/// Keys in the order of a setting: never empty, the first one is in use.
#[derive(Clone)]
pub(crate) struct NewestFirst<Key> {
    newest: Key,
    older: Vec<Key>,
}

impl<Key> NewestFirst<Key> {
    /// `None` when there are no keys.
    pub(crate) fn new(keys: impl IntoIterator<Item = Key>) -> Option<Self> {
        let mut keys = keys.into_iter();
        Some(Self {
            newest: keys.next()?,
            older: keys.collect(),
        })
    }

    pub(crate) fn newest(&self) -> &Key {
        &self.newest
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.newest).chain(&self.older)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_stays() {
        let keys = NewestFirst::new([3, 1, 2]).unwrap();
        assert_eq!(*keys.newest(), 3);
        assert_eq!(keys.iter().copied().collect::<Vec<_>>(), [3, 1, 2]);
    }

    #[test]
    fn there_is_no_empty_one() {
        assert!(NewestFirst::<u8>::new([]).is_none());
    }
}
