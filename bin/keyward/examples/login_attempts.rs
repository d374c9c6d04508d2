//! Makes login attempts of one class in a database of its own, for counting instructions:
//! `login_attempts <class> <attempts>`, where the class is `unknown`, `wrong`, `disabled` or `agent`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this is a measurement"
)]

use std::sync::Arc;

use keyward_audit::AuditLog;
use keyward_auth::{
    Environment, Hashing, Login, LoginError, NoAdvice, PersonName, Role, User, UserKind,
    UserStatus, Username, Users as _, Visitor,
};
use keyward_core::{Id, ManualClock, Store as _, StoreError, Timestamp};
use keyward_crypto::{FieldKey, KeyRing, MacRing, Password, Passwords, Signed, TotpWindow};
use keyward_store_diesel::{DatabaseUrl, DieselStore, Options};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (class, attempts) = (arguments[1].as_str(), arguments[2].parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("keyward.db").display());
    let store =
        DieselStore::connect(&DatabaseUrl::parse(&url).unwrap(), Options::default()).unwrap();
    store.migrate().unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp(1_800_000_000)));
    let macs = MacRing::parse("Yk3v9QpZ7tLwXr2NfBhGmCs5DjUa8eKo4iTyVx6RlWz").unwrap();
    let environment = Environment {
        store,
        fields: KeyRing::new(vec![FieldKey::generate()]).unwrap(),
        audit: AuditLog::new(macs.clone(), clock.clone()),
        macs,
        hashing: Hashing::new(Passwords::new()),
        clock,
        totp_window: TotpWindow::default(),
        advice: Arc::new(NoAdvice),
    };
    add_users(&environment);
    let login = Login::new(environment);
    let username = Username::parse(class).unwrap();
    for attempt in 0..attempts {
        let visitor = Visitor {
            source: format!("192.0.2.{attempt}"),
            request: None,
        };
        let wrong = Password::attempt("not the password".into()).unwrap();
        let outcome = login.with_password(&username, &wrong, &visitor);
        assert!(matches!(outcome, Err(LoginError::Rejected)));
    }
}

/// One for each class but `unknown`. Every run hashes one password here.
fn add_users(environment: &Environment<DieselStore>) {
    let password = Password::attempt("correct horse battery".into()).unwrap();
    let hash = environment.hashing.hash(&password).unwrap();
    let user = |name: &str, kind: UserKind, status: UserStatus| User {
        id: Id::generate(),
        username: Username::parse(name).unwrap(),
        kind,
        role: Role::Normal,
        status,
        password_hash: (kind == UserKind::Human).then(|| hash.clone()),
        first_name: PersonName::parse("").unwrap(),
        last_name: PersonName::parse("").unwrap(),
        created_at: Timestamp(1_800_000_000),
        mfa_since: None,
        delegation: None,
        legacy_id: None,
        version: 1,
    };
    let users = [
        user("wrong", UserKind::Human, UserStatus::Active),
        user("disabled", UserKind::Human, UserStatus::Disabled),
        user("agent", UserKind::Agent, UserStatus::Active),
    ];
    let added = environment.store.write(|tx| {
        for user in users {
            assert!(tx.add_user(&Signed::sign(user, &environment.macs))?);
        }
        Ok::<_, StoreError>(())
    });
    added.unwrap();
}
