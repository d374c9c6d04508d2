//! Keys of the targets. They are no secrets.

/// A field key.
pub(crate) const FIELD_KEY: &str = "Zk1BV1J3c2pYbU5vUHFSc1R1VndYeVphQmNEZUZnSGk=";
/// Keys of rows.
pub(crate) const MAC_SECRET: &str = "Yk3v9QpZ7tLwXr2NfBhGmCs5DjUa8eKo4iTyVx6RlWz";
/// A secret of a service.
pub(crate) const SECRET: &str = "sk-real-Ab12/Cd34+Ef56";
/// Who could open a backup.
pub(crate) const IDENTITY: &str =
    "AGE-SECRET-KEY-1J66AWXZ8KGRNVTR85XRHF56HEYJLMTWGAMTS38TLZL23HKXWYRHQS7NEEA";
