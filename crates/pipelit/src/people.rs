use keyward_audit::{Action, Subject};
use keyward_auth::{
    AttemptLimits as _, AttemptPolicy, LimitSubject, Role, SecondFactors as _, TotpColumn,
    TotpSecrets, User, UserId, UserKind, UserStatus, Username, Users as _,
};
use keyward_core::{LegacyId, Store, StoreError};
use keyward_crypto::{PasswordHash, Signed, TotpSecret, TotpStep};

use crate::opened::open;
use crate::pass::{Outcome, Pass, Placed, Stop};
use crate::report::USERS;
use crate::{ImportTx, Reason, Repair, UserRow, names};

impl<S: Store<Tx: ImportTx>> Pass<'_, S> {
    /// Everybody who is no agent.
    pub(crate) fn people(&mut self, tx: &mut S::Tx) -> Result<(), StoreError> {
        let rows = self.rows;
        for row in rows.users.iter().filter(|row| !names::is_agent(row)) {
            let outcome = self.person(tx, row);
            self.judge(USERS, row.id, outcome)?;
        }
        Ok(())
    }

    fn person(&mut self, tx: &mut S::Tx, row: &UserRow) -> Result<Outcome, Stop> {
        if let Some(outcome) = self.imported_before(tx, row)? {
            return Ok(outcome);
        }
        let mut repairs = Vec::new();
        let username = Username::parse(&row.username)?;
        // A secret without it is one of an enrolment that nobody has finished.
        let secret = if row.mfa_enabled {
            let secret = self.second_factor(row, &mut repairs)?;
            Some(secret.ok_or(Reason::NoSecondFactor)?)
        } else {
            None
        };
        let user = User {
            id: UserId::generate(),
            username,
            kind: UserKind::Human,
            role: role(row, &mut repairs),
            status: UserStatus::Active,
            password_hash: password(row, &mut repairs),
            first_name: names::person(row.first_name.as_deref(), "first_name", &mut repairs),
            last_name: names::person(row.last_name.as_deref(), "last_name", &mut repairs),
            created_at: self.time(row.created_at.as_deref(), "created_at", &mut repairs),
            mfa_since: secret.as_ref().map(|_| self.now),
            delegation: None,
            legacy_id: Some(LegacyId(row.id)),
            version: 1,
        };
        self.add_user(tx, &user)?;
        if let Some(secret) = secret {
            self.enrol(tx, user.id, &secret)?;
            self.use_up_codes(tx, user.id, row, &mut repairs)?;
        }
        let details = [
            ("username", user.username.to_string()),
            ("role", user.role.as_str().to_owned()),
        ];
        self.record(
            tx,
            USER_IMPORT,
            Subject::new("user", user.id),
            row.id,
            details,
        )?;
        self.warn_of_user(row, &user);
        let placed = Placed {
            user,
            lineage: None,
        };
        self.place(row.id, placed);
        Ok(Outcome::Imported(repairs))
    }

    pub(crate) fn add_user(&self, tx: &mut S::Tx, user: &User) -> Result<(), Stop> {
        let signed = Signed::sign(user.clone(), &self.environment.macs);
        if tx.user_by_name(&user.username)?.is_some() || !tx.add_user(&signed)? {
            return Err(Reason::NameTaken.into());
        }
        Ok(())
    }

    /// The secret of the authenticator app.
    pub(crate) fn second_factor(
        &self,
        row: &UserRow,
        repairs: &mut Vec<Repair>,
    ) -> Result<Option<TotpSecret>, Reason> {
        let Some(opened) = open(self.fernet, "totp_secret", row.totp_secret.as_ref())? else {
            return Ok(None);
        };
        repairs.extend(opened.repair);
        let secret = TotpSecret::from_base32(opened.text.expose().trim());
        secret.map(Some).map_err(|_| Reason::BrokenSecondFactor)
    }

    pub(crate) fn enrol(
        &self,
        tx: &mut S::Tx,
        user: UserId,
        secret: &TotpSecret,
    ) -> Result<(), StoreError> {
        let context = TotpColumn::Active.context(user);
        let text = secret.to_base32();
        let sealed = self
            .environment
            .fields
            .seal(text.expose(), &context, self.now.unix());
        let secrets = TotpSecrets {
            active: Some(sealed),
            pending: None,
        };
        tx.set_totp_secrets(user, &secrets)
    }

    /// Whoever has seen a code in use in Pipelit cannot use it in Keyward again.
    fn use_up_codes(
        &self,
        tx: &mut S::Tx,
        user: UserId,
        row: &UserRow,
        repairs: &mut Vec<Repair>,
    ) -> Result<(), StoreError> {
        let Some(step) = self.last_step(row, repairs) else {
            return Ok(());
        };
        let subject = LimitSubject::totp(user);
        // An attempt that was right is given back, so nothing is counted by this.
        let reserved = tx.reserve_attempt(&subject, self.now, &AttemptPolicy::TOTP)?;
        if let Some(reserved) = reserved {
            tx.attempt_succeeded(&subject, &reserved, Some(step))?;
        }
        Ok(())
    }

    /// The last step that may have been used. One that lies further ahead than any code that
    /// Pipelit accepts would keep its owner out for ever.
    pub(crate) fn last_step(&self, row: &UserRow, repairs: &mut Vec<Repair>) -> Option<TotpStep> {
        let last = row.totp_last_used_at.filter(|step| *step > 0)?;
        let newest = TotpStep::at(self.now.0).number().saturating_add(1);
        if last > newest {
            repairs.push(Repair::StepAhead);
        }
        Some(TotpStep::from_number(last.min(newest)))
    }
}

fn role(row: &UserRow, repairs: &mut Vec<Repair>) -> Role {
    row.role
        .as_deref()
        .and_then(Role::parse)
        .unwrap_or_else(|| {
            repairs.push(Repair::Role);
            Role::Normal
        })
}

/// The hash, if a password can be checked against it. It is replaced at the next login.
fn password(row: &UserRow, repairs: &mut Vec<Repair>) -> Option<PasswordHash> {
    let stored = row.password_hash.as_ref().filter(|hash| !hash.is_empty())?;
    let hash = PasswordHash::from_stored(stored.expose().to_owned());
    if hash.is_bcrypt() {
        return Some(hash);
    }
    repairs.push(Repair::Password);
    None
}

const USER_IMPORT: Action = Action("user.import");
