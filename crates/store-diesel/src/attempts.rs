use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use keyward_auth::{
    AttemptLimits, AttemptPolicy, AttemptState, LimitSubject, Reserved, UserId, attempt_time,
};
use keyward_core::{StoreError, Timestamp};
use keyward_crypto::TotpStep;

use crate::DieselTx;
use crate::connection::{AnyConnection, each};
use crate::schema::attempts;

// The statements below are the ones of `AttemptState`, and the contract suite compares the two. Both
// databases take `$1`, `$2`, …; SQLite counts such names in the order in which they first appear.
impl AttemptLimits for DieselTx {
    fn reserve_attempt(
        &mut self,
        subject: &LimitSubject,
        now: Timestamp,
        policy: &AttemptPolicy,
    ) -> Result<Option<Reserved>, StoreError> {
        let now = attempt_time(now);
        self.run(|connection| {
            each!(connection, inner => {
                diesel::sql_query(INTRODUCE)
                    .bind::<Text, _>(subject.as_str())
                    .bind::<Nullable<Text>, _>(subject.account().map(|id| id.to_string()))
                    .bind::<BigInt, _>(now)
                    .execute(inner)?;
                diesel::sql_query(RESERVE)
                    .bind::<BigInt, _>(now)
                    .bind::<BigInt, _>(policy.lock_every)
                    .bind::<BigInt, _>(policy.disable_at)
                    .bind::<BigInt, _>(policy.disable_at_in_month)
                    .bind::<Text, _>(subject.as_str())
                    .bind::<BigInt, _>(policy.per_window)
                    .get_result::<ReservedRow>(inner)
                    .optional()
            })
        })
        .map(|row| row.map(|row| row.reserved(policy)))
    }

    fn attempt_succeeded(
        &mut self,
        subject: &LimitSubject,
        reserved: &Reserved,
        step: Option<TotpStep>,
    ) -> Result<bool, StoreError> {
        let written = self.run(|connection| {
            each!(connection, inner => diesel::sql_query(SUCCEED)
                .bind::<BigInt, _>(reserved.window_start)
                .bind::<Nullable<BigInt>, _>(step.map(TotpStep::number))
                .bind::<Text, _>(subject.as_str())
                .execute(inner))
        })?;
        Ok(written == 1)
    }

    fn forgive_attempt(
        &mut self,
        subject: &LimitSubject,
        policy: &AttemptPolicy,
    ) -> Result<(), StoreError> {
        self.run(|connection| {
            each!(connection, inner => diesel::sql_query(FORGIVE)
                .bind::<BigInt, _>(policy.lock_every)
                .bind::<BigInt, _>(policy.disable_at)
                .bind::<BigInt, _>(policy.disable_at_in_month)
                .bind::<Text, _>(subject.as_str())
                .execute(inner))
        })
        .map(drop)
    }

    fn lift_limits(&mut self, account: UserId) -> Result<(), StoreError> {
        self.run(|connection| {
            diesel::update(attempts::table.filter(attempts::account.eq(account.to_string())))
                .set((
                    attempts::fails.eq(0),
                    attempts::locked_until.eq(0),
                    attempts::disabled_at.eq(None::<i64>),
                    attempts::month_fails.eq(0),
                ))
                .execute(connection)
        })
        .map(drop)
    }

    fn attempts(&mut self, subject: &LimitSubject) -> Result<Option<AttemptState>, StoreError> {
        self.run(|connection| {
            attempts::table
                .find(subject.as_str())
                .select(StateRow::as_select())
                .get_result(connection)
                .optional()
        })
        .map(|row| row.map(AttemptState::from))
    }

    fn forget_attempts(
        &mut self,
        before: Timestamp,
        now: Timestamp,
        limit: i64,
    ) -> Result<usize, StoreError> {
        self.run(|connection| {
            let forget = match connection {
                #[cfg(feature = "sqlite")]
                AnyConnection::Sqlite(_) => FORGET,
                #[cfg(feature = "postgres")]
                AnyConnection::Postgres(_) => FORGET_UNLOCKED,
            };
            each!(connection, inner => diesel::sql_query(forget)
                .bind::<BigInt, _>(before.0)
                .bind::<BigInt, _>(now.0)
                .bind::<BigInt, _>(limit)
                .execute(inner))
        })
    }
}

#[derive(QueryableByName)]
struct ReservedRow {
    #[diesel(sql_type = BigInt)]
    fails: i64,
    #[diesel(sql_type = BigInt)]
    window_start: i64,
    #[diesel(sql_type = BigInt)]
    month_fails: i64,
}

impl ReservedRow {
    fn reserved(&self, policy: &AttemptPolicy) -> Reserved {
        Reserved::new(policy, self.window_start, self.fails, self.month_fails)
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = attempts)]
struct StateRow {
    fails: i64,
    window_start: i64,
    window_count: i64,
    locked_until: i64,
    disabled_at: Option<i64>,
    last_step: i64,
    month_start: i64,
    month_fails: i64,
}

impl From<StateRow> for AttemptState {
    fn from(row: StateRow) -> Self {
        Self {
            fails: row.fails,
            window_start: row.window_start,
            window_count: row.window_count,
            locked_until: row.locked_until,
            disabled_at: row.disabled_at,
            last_step: row.last_step,
            month_start: row.month_start,
            month_fails: row.month_fails,
        }
    }
}

const INTRODUCE: &str = "INSERT INTO attempts (subject, account, fails, window_start, \
     window_count, locked_until, disabled_at, last_step, touched_at) \
     VALUES ($1, $2, 0, 0, 0, 0, NULL, 0, $3) ON CONFLICT (subject) DO NOTHING";

const RESERVE: &str = "UPDATE attempts SET \
         fails = fails + 1, \
         window_count = CASE WHEN $1 >= window_start + 60 OR $1 < window_start - 60 \
                             THEN 1 ELSE window_count + 1 END, \
         window_start = CASE WHEN $1 >= window_start + 60 OR $1 < window_start - 60 \
                             THEN $1 ELSE window_start END, \
         locked_until = CASE WHEN (fails + 1) % $2 <> 0 THEN locked_until \
                             ELSE $1 + CASE (fails + 1) / $2 \
                                  WHEN 1 THEN 900 WHEN 2 THEN 1800 WHEN 3 THEN 3600 \
                                  WHEN 4 THEN 7200 WHEN 5 THEN 14400 WHEN 6 THEN 28800 \
                                  WHEN 7 THEN 57600 ELSE 86400 END END, \
         disabled_at = CASE WHEN fails + 1 >= $3 \
                              OR CASE WHEN $1 >= month_start + 2592000 OR $1 < month_start - 2592000 \
                                      THEN 1 ELSE month_fails + 1 END >= $4 THEN $1 END, \
         month_fails = CASE WHEN $1 >= month_start + 2592000 OR $1 < month_start - 2592000 \
                            THEN 1 ELSE month_fails + 1 END, \
         month_start = CASE WHEN $1 >= month_start + 2592000 OR $1 < month_start - 2592000 \
                            THEN $1 ELSE month_start END, \
         touched_at = $1 \
     WHERE subject = $5 AND disabled_at IS NULL AND locked_until <= $1 \
       AND ($1 >= window_start + 60 OR $1 < window_start - 60 OR window_count < $6) \
     RETURNING fails, window_start, month_fails";

const SUCCEED: &str = "UPDATE attempts SET \
         fails = 0, \
         window_count = CASE WHEN window_start = $1 AND window_count > 0 \
                             THEN window_count - 1 ELSE window_count END, \
         locked_until = 0, \
         disabled_at = NULL, \
         month_fails = CASE WHEN month_fails > 0 THEN month_fails - 1 ELSE 0 END, \
         last_step = COALESCE($2, last_step) \
     WHERE subject = $3 AND ($2 IS NULL OR last_step < $2)";

const FORGIVE: &str = "UPDATE attempts SET \
         locked_until = CASE WHEN fails % $1 = 0 THEN 0 ELSE locked_until END, \
         disabled_at = CASE WHEN fails > $2 OR month_fails > $3 THEN disabled_at END, \
         month_fails = CASE WHEN month_fails > 0 THEN month_fails - 1 ELSE 0 END, \
         fails = CASE WHEN fails > 0 THEN fails - 1 ELSE 0 END \
     WHERE subject = $4";

/// Those of factors have a colon, and stay.
#[cfg(feature = "sqlite")]
const FORGET: &str = "DELETE FROM attempts WHERE subject IN (\
         SELECT subject FROM attempts \
         WHERE touched_at < $1 AND locked_until <= $2 AND subject NOT LIKE '%:%' LIMIT $3)";

/// The same for PostgreSQL. Whoever deletes many rows must not wait for one, or others could wait
/// for each other through it; what somebody holds is in use anyway.
#[cfg(feature = "postgres")]
const FORGET_UNLOCKED: &str = "DELETE FROM attempts WHERE subject = ANY(ARRAY(\
         SELECT subject FROM attempts \
         WHERE touched_at < $1 AND locked_until <= $2 AND subject NOT LIKE '%:%' LIMIT $3 \
         FOR UPDATE SKIP LOCKED))";
