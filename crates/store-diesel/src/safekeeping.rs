use diesel::prelude::*;
use keyward_core::{StoreError, Timestamp};
use keyward_crypto::KeyId;
use keyward_encryption::{Kept, Safekeeping, SafekeepingRecord};

use crate::connection::each;
use crate::schema::safekeeping;
use crate::{DieselTx, stored};

impl Safekeeping for DieselTx {
    fn note_safekeeping(
        &mut self,
        kept: Kept,
        at: Timestamp,
        keys: &[KeyId],
    ) -> Result<(), StoreError> {
        let keys: Vec<_> = keys.iter().map(KeyId::as_str).collect();
        let keys = keys.join(" ");
        let row = (
            safekeeping::kind.eq(kept.as_str()),
            safekeeping::at.eq(at.0),
            safekeeping::key_ids.eq(&keys),
        );
        self.run(|connection| {
            each!(connection, inner => diesel::insert_into(safekeeping::table)
                .values(row)
                .on_conflict(safekeeping::kind)
                .do_update()
                .set((safekeeping::at.eq(at.0), safekeeping::key_ids.eq(&keys)))
                .execute(inner))
        })
        .map(drop)
    }

    fn safekeeping(&mut self) -> Result<Vec<SafekeepingRecord>, StoreError> {
        let rows: Vec<(String, i64, String)> =
            self.run(|connection| safekeeping::table.order(safekeeping::kind).load(connection))?;
        rows.into_iter()
            .map(|(kind, at, keys)| {
                Ok(SafekeepingRecord {
                    kept: stored::known(Kept::parse(&kind), "safekeeping.kind")?,
                    at: Timestamp(at),
                    keys: keys
                        .split_whitespace()
                        .map(|kid| stored::known(KeyId::parse(kid), "safekeeping.key_ids"))
                        .collect::<Result<_, _>>()?,
                })
            })
            .collect()
    }
}
