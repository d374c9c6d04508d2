use keyward_agents::{AgentRecord, Agents as _, Lineage, MAX_DEPTH};
use keyward_audit::{Action, Subject};
use keyward_auth::{
    Delegation, PersonName, ProofUse, Role, UsedProofs as _, User, UserId, UserKind, UserStatus,
    Username,
};
use keyward_core::{LegacyId, Store, StoreError};
use keyward_crypto::{Signed, TotpSecret};

use crate::pass::{Outcome, Pass, Placed, Stop};
use crate::report::USERS;
use crate::{ImportTx, Reason, Repair, UserRow, Warning, names};

impl<S: Store<Tx: ImportTx>> Pass<'_, S> {
    /// Agents and accounts of messengers: without passwords, never administrators.
    pub(crate) fn agents(&mut self, tx: &mut S::Tx) -> Result<(), StoreError> {
        let rows = self.rows;
        for row in names::agents_from_the_root(rows) {
            let outcome = self.agent(tx, row);
            self.judge(USERS, row.id, outcome)?;
        }
        Ok(())
    }

    fn agent(&mut self, tx: &mut S::Tx, row: &UserRow) -> Result<Outcome, Stop> {
        if let Some(outcome) = self.imported_before(tx, row)? {
            return Ok(outcome);
        }
        let mut repairs = Vec::new();
        let username = Username::parse(&row.username)?;
        let creator = self.creator(tx, row)?;
        let secret = if row.mfa_enabled {
            self.second_factor(row, &mut repairs)?
        } else {
            None
        };
        let id = UserId::generate();
        let lineage = match &creator.lineage {
            None => Lineage::root(id),
            Some(above) => above.child(id),
        };
        if lineage.depth() > MAX_DEPTH {
            return Err(Reason::TooDeep.into());
        }
        let user = self.agent_user(id, username, &creator, row, &mut repairs);
        let record = AgentRecord {
            lineage: lineage.clone(),
            creator: creator.user.id,
            purpose: names::purpose(row.first_name.as_deref(), &mut repairs),
            frozen_at: None,
        };
        self.add_user(tx, &user)?;
        tx.add_agent(&Signed::sign(record, &self.environment.macs))?;
        // An agent without a secret could not prove who it is.
        let secret = secret.unwrap_or_else(TotpSecret::generate);
        self.enrol(tx, id, &secret)?;
        self.use_up_proofs(tx, id, row, &mut repairs)?;
        let details = [
            ("username", user.username.to_string()),
            ("creator", creator.user.id.to_string()),
        ];
        self.record(tx, AGENT_IMPORT, Subject::new("agent", id), row.id, details)?;
        self.warn_of_user(row, &user);
        if row.created_by.and_then(|id| self.placed(id)).is_none() {
            self.report.warn(USERS, row.id, &Warning::AssumedOwner);
        }
        let placed = Placed {
            user,
            lineage: Some(lineage),
        };
        self.place(row.id, placed);
        Ok(Outcome::Imported(repairs))
    }

    fn agent_user(
        &self,
        id: UserId,
        username: Username,
        creator: &Placed,
        row: &UserRow,
        repairs: &mut Vec<Repair>,
    ) -> User {
        if row.role.as_deref() == Some(Role::Admin.as_str()) {
            repairs.push(Repair::AgentDemoted);
        }
        if names::has_password(row) {
            repairs.push(Repair::AgentPassword);
        }
        User {
            id,
            username,
            kind: UserKind::Agent,
            role: Role::Normal,
            status: UserStatus::Active,
            password_hash: None,
            first_name: PersonName::from_stored(String::new()),
            last_name: PersonName::from_stored(String::new()),
            created_at: self.time(row.created_at.as_deref(), "created_at", repairs),
            mfa_since: None,
            delegation: Some(delegation(creator)),
            legacy_id: Some(LegacyId(row.id)),
            version: 1,
        }
    }

    /// Who made the agent, or else an administrator.
    fn creator(&self, tx: &mut S::Tx, row: &UserRow) -> Result<Placed, Stop> {
        match row.created_by {
            // Pipelit forgets who made an agent when that user is deleted.
            None => self.administrator(tx),
            Some(id) => Ok(self.owner(Some(id))?),
        }
    }

    /// As for people, for the plain codes that every receiver can have accepted.
    fn use_up_proofs(
        &self,
        tx: &mut S::Tx,
        agent: UserId,
        row: &UserRow,
        repairs: &mut Vec<Repair>,
    ) -> Result<(), StoreError> {
        let Some(step) = self.last_step(row, repairs) else {
            return Ok(());
        };
        let plain = ProofUse {
            prover: agent,
            verifier: None,
            purpose: None,
        };
        // A step that is too old to be marked is too old to be accepted.
        tx.use_proof(&plain, step).map(drop)
    }
}

/// What the agent's keys could do in Pipelit, as far as its creator can give it.
fn delegation(creator: &Placed) -> Delegation {
    let possible = keyward_auth::Scopes::of_role(Role::Normal);
    let above = creator.user.delegation;
    Delegation {
        owner: above.map_or(creator.user.id, |above| above.owner),
        scopes: creator.key_scopes().intersection(possible),
        expires_at: above.and_then(|above| above.expires_at),
    }
}

const AGENT_IMPORT: Action = Action("agent.import");
