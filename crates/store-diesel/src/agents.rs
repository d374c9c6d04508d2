use diesel::prelude::*;
use keyward_agents::{Agent, AgentRecord, Agents, AgentsOf, Lineage};
use keyward_auth::{Purpose, User, UserId, UserStatus};
use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{Mac, Signed};

use crate::DieselTx;
use crate::connection::{AnyConnection, each};
use crate::first::{cut, first};
use crate::schema::{agents, totp_secrets, users};
use crate::stored::{self, RowMac};
use crate::users::UserRow;

impl Agents for DieselTx {
    fn add_agent(&mut self, agent: &Signed<AgentRecord>) -> Result<(), StoreError> {
        let row = AgentRow::of(agent);
        self.run(|connection| {
            diesel::insert_into(agents::table)
                .values(&row)
                .execute(connection)
        })
        .map(drop)
    }

    fn agent(&mut self, id: UserId) -> Result<Option<Agent>, StoreError> {
        self.run(|connection| {
            agents::table
                .find(id.to_string())
                .inner_join(users::table)
                .select((AgentRow::as_select(), UserRow::as_select()))
                .get_result(connection)
                .optional()
        })?
        .map(agent)
        .transpose()
    }

    fn agents_after(
        &mut self,
        of: &AgentsOf,
        after: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<Agent>, StoreError> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let rows = self.run(|connection| {
            each!(connection, inner => {
                let page = agents::table
                    .inner_join(users::table)
                    .filter(agents::user_id.gt(after).and(is_there()))
                    .order(first(limit, agents::user_id))
                    .select((AgentRow::as_select(), UserRow::as_select()));
                match of {
                    AgentsOf::Everybody => page.load(inner),
                    AgentsOf::Owner(person) => page
                        .filter(users::owner_id.eq(person.to_string()))
                        .load(inner),
                    AgentsOf::Below(root) => {
                        let (from, to) = below(root);
                        page.filter(agents::lineage.gt(from).and(agents::lineage.lt(to)))
                            .load(inner)
                    }
                }
            })
        })?;
        cut(rows, limit).into_iter().map(agent).collect()
    }

    fn agents_under(&mut self, root: &Lineage) -> Result<Vec<Agent>, StoreError> {
        let (from, to) = below(root);
        let is_under = agents::lineage
            .eq(root.to_string())
            .or(agents::lineage.gt(from).and(agents::lineage.lt(to)));
        self.run(|connection| {
            each!(connection, inner => agents::table
                .inner_join(users::table)
                .filter(is_under.and(is_there()))
                .order(agents::lineage)
                .select((AgentRow::as_select(), UserRow::as_select()))
                .load(inner))
        })?
        .into_iter()
        .map(agent)
        .collect()
    }

    fn replace_agent(&mut self, old: &Mac, new: &Signed<AgentRecord>) -> Result<bool, StoreError> {
        let row = AgentRow::of(new);
        let replaced = self.run(|connection| {
            diesel::update(agents::table.find(&row.user_id))
                .filter(agents::row_mac.eq(old.as_stored()))
                .set(&row)
                .execute(connection)
        })?;
        Ok(replaced == 1)
    }

    fn set_agent_states(&mut self, changes: &[(Mac, Signed<User>)]) -> Result<usize, StoreError> {
        self.run(|connection| match connection {
            #[cfg(feature = "sqlite")]
            AnyConnection::Sqlite(inner) => states_one_by_one(changes, inner),
            #[cfg(feature = "postgres")]
            AnyConnection::Postgres(inner) => states_together(changes, inner),
        })
    }

    fn drop_secrets_under(&mut self, root: &Lineage) -> Result<(), StoreError> {
        let (from, to) = below(root);
        let is_under = agents::lineage
            .eq(root.to_string())
            .or(agents::lineage.gt(from).and(agents::lineage.lt(to)));
        let under = agents::table.filter(is_under).select(agents::user_id);
        self.run(|connection| {
            diesel::delete(totp_secrets::table.filter(totp_secrets::user_id.eq_any(under)))
                .execute(connection)
        })
        .map(drop)
    }
}

#[cfg(feature = "sqlite")]
fn states_one_by_one(
    changes: &[(Mac, Signed<User>)],
    connection: &mut SqliteConnection,
) -> QueryResult<usize> {
    let mut written = 0;
    for (old, new) in changes {
        let user = new.unverified();
        written += diesel::update(users::table.find(user.id.to_string()))
            .filter(users::row_mac.eq(old.as_stored()))
            .set((
                users::status.eq(user.status.as_str()),
                users::version.eq(user.version),
                users::row_mac.eq(new.mac().as_stored()),
            ))
            .execute(connection)?;
    }
    Ok(written)
}

/// In one round trip. Who writes them holds the lock of the audit log, so that no two such changes
/// wait for each other.
#[cfg(feature = "postgres")]
fn states_together(
    changes: &[(Mac, Signed<User>)],
    connection: &mut PgConnection,
) -> QueryResult<usize> {
    use diesel::sql_types::{Array, BigInt, Text};

    let column = |text: fn(&(Mac, Signed<User>)) -> String| -> Vec<String> {
        changes.iter().map(text).collect()
    };
    let versions: Vec<i64> = changes
        .iter()
        .map(|(_, new)| new.unverified().version)
        .collect();
    diesel::sql_query(
        "UPDATE users SET status = new.status, version = new.version, row_mac = new.row_mac \
         FROM unnest($1, $2, $3, $4, $5) AS new (id, old_mac, status, version, row_mac) \
         WHERE users.id = new.id AND users.row_mac = new.old_mac",
    )
    .bind::<Array<Text>, _>(column(|(_, new)| new.unverified().id.to_string()))
    .bind::<Array<Text>, _>(column(|(old, _)| old.as_stored()))
    .bind::<Array<Text>, _>(column(|(_, new)| {
        new.unverified().status.as_str().to_owned()
    }))
    .bind::<Array<BigInt>, _>(versions)
    .bind::<Array<Text>, _>(column(|(_, new)| new.mac().as_stored()))
    .execute(connection)
}

/// Revoked agents stay in the tables for the audit log and for what they have made.
fn is_there() -> diesel::dsl::NotEq<users::status, &'static str> {
    users::status.ne(UserStatus::Deleted.as_str())
}

/// Between these two stands the lineage of everything below an agent: `0` follows `/`.
fn below(root: &Lineage) -> (String, String) {
    (format!("{root}/"), format!("{root}0"))
}

fn agent((record, user): (AgentRow, UserRow)) -> Result<Agent, StoreError> {
    Ok(Agent {
        record: record.try_into()?,
        user: user.try_into()?,
    })
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = agents, treat_none_as_null = true)]
pub(crate) struct AgentRow {
    user_id: String,
    lineage: String,
    creator_id: String,
    purpose: Option<String>,
    frozen_at: Option<i64>,
    row_mac: String,
}

impl AgentRow {
    fn of(signed: &Signed<AgentRecord>) -> Self {
        let agent = signed.unverified();
        Self {
            user_id: agent.lineage.agent().to_string(),
            lineage: agent.lineage.to_string(),
            creator_id: agent.creator.to_string(),
            purpose: agent.purpose.as_ref().map(Purpose::to_string),
            frozen_at: agent.frozen_at.map(|at| at.0),
            row_mac: signed.mac().as_stored(),
        }
    }
}

impl TryFrom<AgentRow> for Signed<AgentRecord> {
    type Error = StoreError;

    fn try_from(row: AgentRow) -> Result<Self, StoreError> {
        let mut mac = RowMac::of(&row.row_mac);
        let id: UserId = stored::id(&row.user_id, "agents.user_id")?;
        let lineage = Lineage::from_stored(&row.lineage).ok();
        let record = AgentRecord {
            lineage: mac.covers(
                lineage.filter(|lineage| lineage.agent() == id),
                Lineage::root(id),
            ),
            creator: stored::id(&row.creator_id, "agents.creator_id")?,
            purpose: row.purpose.map(Purpose::from_stored),
            frozen_at: row.frozen_at.map(Timestamp),
        };
        Ok(mac.over(record))
    }
}
