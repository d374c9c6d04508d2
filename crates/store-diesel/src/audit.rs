use diesel::prelude::*;
use keyward_audit::{AuditEvents, Head, Record, RecordFields, Seq};
use keyward_core::{StoreError, Timestamp};

use crate::connection::{AnyConnection, each};
use crate::first::{cut, first};
use crate::schema::{audit_events, audit_head};
use crate::{DieselTx, stored};

impl AuditEvents for DieselTx {
    fn lock_audit_head(&mut self) -> Result<Option<Head>, StoreError> {
        let row = self.run(|connection| match connection {
            // The transaction began by locking the database.
            #[cfg(feature = "sqlite")]
            AnyConnection::Sqlite(inner) => head().get_result(inner).optional(),
            #[cfg(feature = "postgres")]
            AnyConnection::Postgres(inner) => head().for_update().get_result(inner).optional(),
        })?;
        Ok(read_head(row))
    }

    fn append_audit_events(&mut self, records: &[Record], head: &Head) -> Result<(), StoreError> {
        let rows: Vec<_> = records.iter().map(NewEvent::from).collect();
        // One statement takes a limited number of parameters.
        for rows in rows.chunks(EVENTS_AT_ONCE) {
            self.run(|connection| {
                each!(connection, inner => diesel::insert_into(audit_events::table)
                    .values(rows)
                    .execute(inner))
            })?;
        }
        let moved = self.run(|connection| {
            diesel::update(audit_head::table)
                .set((
                    audit_head::seq.eq(head.seq),
                    audit_head::last_mac.eq(head.last.as_stored()),
                    audit_head::mac.eq(head.mac.as_stored()),
                ))
                .execute(connection)
        })?;
        if moved == 1 {
            Ok(())
        } else {
            Err(StoreError::corrupt("audit_head", "its row is missing"))
        }
    }

    fn audit_head(&mut self) -> Result<Option<Head>, StoreError> {
        let row = self.run(|connection| head().get_result(connection).optional())?;
        Ok(read_head(row))
    }

    fn audit_events_after(&mut self, after: Seq, limit: i64) -> Result<Vec<Record>, StoreError> {
        let rows = self.run(|connection| {
            audit_events::table
                .filter(audit_events::seq.gt(after))
                .order(first(limit, audit_events::seq.asc()))
                .select(EventRow::as_select())
                .load::<EventRow>(connection)
        })?;
        Ok(cut(rows, limit).into_iter().map(Record::from).collect())
    }

    fn audit_events_before(
        &mut self,
        before: Option<Seq>,
        limit: i64,
    ) -> Result<Vec<Record>, StoreError> {
        // No event has the greatest number there is.
        let before = before.unwrap_or(Seq::MAX);
        let rows = self.run(|connection| {
            audit_events::table
                .filter(audit_events::seq.lt(before))
                .order(first(limit, audit_events::seq.desc()))
                .select(EventRow::as_select())
                .load::<EventRow>(connection)
        })?;
        Ok(cut(rows, limit).into_iter().map(Record::from).collect())
    }
}

/// The table has one row and cannot have more.
#[diesel::dsl::auto_type(no_type_alias)]
fn head() -> _ {
    audit_head::table.select((audit_head::seq, audit_head::last_mac, audit_head::mac))
}

/// The migration puts the row in, so that there is something to lock before the first event.
fn read_head(row: Option<(Seq, String, String)>) -> Option<Head> {
    let Some((seq, last, mac)) = row else {
        return Some(Head::unreadable());
    };
    (seq != 0).then(|| Head {
        seq,
        last: stored::mac(&last),
        mac: stored::mac(&mac),
    })
}

/// Eleven parameters each.
const EVENTS_AT_ONCE: usize = 100;

#[derive(Insertable)]
#[diesel(table_name = audit_events)]
struct NewEvent<'a> {
    seq: Seq,
    at: i64,
    actor_kind: &'a str,
    actor_id: &'a str,
    actor_key: &'a str,
    request: &'a str,
    action: &'a str,
    subject_kind: &'a str,
    subject_id: &'a str,
    details: &'a str,
    mac: String,
}

impl<'a> From<&'a Record> for NewEvent<'a> {
    fn from(record: &'a Record) -> Self {
        let fields = &record.fields;
        Self {
            seq: fields.seq,
            at: fields.at.0,
            actor_kind: &fields.actor_kind,
            actor_id: fields.actor_id.as_deref().unwrap_or_default(),
            actor_key: fields.actor_key.as_deref().unwrap_or_default(),
            request: fields.request.as_deref().unwrap_or_default(),
            action: &fields.action,
            subject_kind: &fields.subject_kind,
            subject_id: &fields.subject_id,
            details: &fields.details,
            mac: record.mac.as_stored(),
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit_events)]
struct EventRow {
    seq: Seq,
    at: i64,
    actor_kind: String,
    actor_id: String,
    actor_key: String,
    request: String,
    action: String,
    subject_kind: String,
    subject_id: String,
    details: String,
    mac: String,
}

impl From<EventRow> for Record {
    fn from(row: EventRow) -> Self {
        let given = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            mac: stored::mac(&row.mac),
            fields: RecordFields {
                seq: row.seq,
                at: Timestamp(row.at),
                actor_kind: row.actor_kind,
                actor_id: given(row.actor_id),
                actor_key: given(row.actor_key),
                request: given(row.request),
                action: row.action,
                subject_kind: row.subject_kind,
                subject_id: row.subject_id,
                details: row.details,
            },
        }
    }
}
