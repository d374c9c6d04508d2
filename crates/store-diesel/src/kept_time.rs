use diesel::prelude::*;
use diesel::sql_types::BigInt;
use keyward_auth::KeptTime;
use keyward_core::{StoreError, Timestamp};

use crate::DieselTx;
use crate::connection::each;
use crate::schema::kept_time;

impl KeptTime for DieselTx {
    fn kept_time(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let at: Option<i64> = self.run(|connection| {
            kept_time::table
                .select(kept_time::at)
                .first(connection)
                .optional()
        })?;
        Ok(at.map(Timestamp))
    }

    fn keep_time(&mut self, at: Timestamp) -> Result<(), StoreError> {
        self.run(|connection| {
            each!(connection, inner => diesel::sql_query(KEEP).bind::<BigInt, _>(at.0).execute(inner))
        })
        .map(drop)
    }

    fn reset_time(&mut self, at: Timestamp) -> Result<(), StoreError> {
        self.run(|connection| {
            each!(connection, inner => diesel::insert_into(kept_time::table)
                .values((kept_time::id.eq(1), kept_time::at.eq(at.0)))
                .on_conflict(kept_time::id)
                .do_update()
                .set(kept_time::at.eq(at.0))
                .execute(inner))
        })
        .map(drop)
    }
}

/// Over an earlier time only.
const KEEP: &str = "INSERT INTO kept_time (id, at) VALUES (1, $1) \
     ON CONFLICT (id) DO UPDATE SET at = excluded.at WHERE kept_time.at < excluded.at";
