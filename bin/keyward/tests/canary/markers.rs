use std::collections::BTreeMap;

use keyward_crypto::MacRing;

/// Secrets that are nowhere else in the world, by where they were put.
#[derive(Default)]
pub(crate) struct Markers(BTreeMap<String, String>);

impl Markers {
    /// A secret for this place: the same when asked again.
    pub(crate) fn at(&mut self, place: &str) -> String {
        self.0
            .entry(place.to_owned())
            .or_insert_with(unique)
            .clone()
    }

    /// A secret that the server made.
    pub(crate) fn note(&mut self, place: &str, secret: &str) {
        self.0.insert(place.to_owned(), secret.to_owned());
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.iter();
        pairs.map(|(place, secret)| (place.as_str(), secret.as_str()))
    }

    /// All secrets in their plain form.
    pub(crate) fn values(&self) -> Vec<&str> {
        self.0.values().map(String::as_str).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// 28 random letters and digits.
pub(crate) fn unique() -> String {
    let random = MacRing::generate_secret();
    let letters = random.expose().chars().filter(char::is_ascii_alphanumeric);
    let marker: String = letters.take(28).collect();
    assert!(marker.len() >= 24);
    marker
}
