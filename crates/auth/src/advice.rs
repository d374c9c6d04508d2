use keyward_crypto::{MacPurpose, MacRing};

/// What nodes tell each other, so that they have less to do.
///
/// It is advice, from somewhere that may be gone, emptied, slow or in the hands of somebody else: no
/// decision is made by it. Who is told that attempts are limited asks the storage before refusing
/// one; what is told to have been written elsewhere is written here too, a little later. An
/// implementation answers within a moment, or as if nothing was known.
pub trait Advice: Send + Sync {
    /// Whether a node has said that the attempts of one of these are limited now.
    fn is_limited(&self, names: &[AdviceName]) -> bool;

    /// Says so, for the next `seconds`.
    fn limited(&self, name: &AdviceName, seconds: i64);

    /// Takes back what was said of these. It was not so, or is not so any more.
    fn withdraw(&self, names: &[AdviceName]);

    /// Claims each of these for a few minutes, and says which of them no other node had claimed. Without an
    /// answer, all: then each node does what several could have shared.
    fn claim(&self, names: &[AdviceName]) -> Vec<bool>;

    /// Says that encryption keys or secrets have changed, so that nodes ask the storage now and not a
    /// moment later.
    fn keys_changed(&self);
}

/// Nobody says anything: what a single node needs, and what holds where there is no other.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAdvice;

impl Advice for NoAdvice {
    fn is_limited(&self, _: &[AdviceName]) -> bool {
        false
    }

    fn limited(&self, _: &AdviceName, _: i64) {}

    fn withdraw(&self, _: &[AdviceName]) {}

    fn claim(&self, names: &[AdviceName]) -> Vec<bool> {
        vec![true; names.len()]
    }

    fn keys_changed(&self) {}
}

/// What advice is about, in a form that says nothing to who does not have `SECRET_KEY`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AdviceName(String);

impl AdviceName {
    /// The name of what these parts describe. The first one says what the others are.
    #[must_use]
    pub fn of(macs: &MacRing, parts: &[&[u8]]) -> Self {
        Self(macs.mac(MacPurpose::Advice, parts).as_stored())
    }

    /// The name as it travels.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_shows_nothing_of_what_it_is_about() {
        let macs = MacRing::parse(MacRing::generate_secret().expose()).unwrap();
        let name = AdviceName::of(&macs, &[b"password", b"marker", b"192.0.2.1"]);
        let shown = format!("{name:?}{}", name.as_str());
        assert!(
            !shown.contains("marker") && !shown.contains("192"),
            "{shown}"
        );
        assert_eq!(
            name,
            AdviceName::of(&macs, &[b"password", b"marker", b"192.0.2.1"])
        );
        let travels = macs.mac(MacPurpose::Advice, &[b"password", b"marker", b"192.0.2.1"]);
        assert_eq!(name.as_str(), travels.as_stored());
        let others = MacRing::parse(MacRing::generate_secret().expose()).unwrap();
        assert_ne!(
            name,
            AdviceName::of(&others, &[b"password", b"marker", b"192.0.2.1"])
        );
    }

    #[test]
    fn without_advice_nothing_is_limited_and_everything_is_ours() {
        let macs = MacRing::parse(MacRing::generate_secret().expose()).unwrap();
        let names = [b"a", b"b"].map(|part| AdviceName::of(&macs, &[part]));
        NoAdvice.limited(&names[0], 60);
        assert!(!NoAdvice.is_limited(&names));
        assert_eq!(NoAdvice.claim(&names), [true, true]);
        assert_eq!(NoAdvice.claim(&names), [true, true]);
    }
}
