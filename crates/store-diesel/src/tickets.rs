use diesel::prelude::*;
use keyward_auth::{LoginTickets, TicketRecord, UserId};
use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{Signed, TicketId};

use crate::connection::{AnyConnection, each};
use crate::schema::login_tickets;
use crate::{DieselTx, stored};

impl LoginTickets for DieselTx {
    fn add_ticket(&mut self, ticket: &Signed<TicketRecord>) -> Result<(), StoreError> {
        let record = ticket.unverified();
        let row = (
            login_tickets::id.eq(record.id.as_str()),
            login_tickets::ticket_mac.eq(record.ticket_mac.as_stored()),
            login_tickets::user_id.eq(record.user.to_string()),
            login_tickets::expires_at.eq(record.expires_at.0),
            login_tickets::tries.eq(0),
            login_tickets::row_mac.eq(ticket.mac().as_stored()),
        );
        self.run(|connection| {
            diesel::insert_into(login_tickets::table)
                .values(row)
                .execute(connection)
        })
        .map(drop)
    }

    fn try_ticket(
        &mut self,
        id: TicketId,
        now: Timestamp,
        at_most: i64,
    ) -> Result<Option<Signed<TicketRecord>>, StoreError> {
        let row = self.run(|connection| {
            each!(connection, inner => diesel::update(login_tickets::table.find(id.as_str()))
                .filter(login_tickets::expires_at.gt(now.0))
                .filter(login_tickets::tries.lt(at_most))
                .set(login_tickets::tries.eq(login_tickets::tries + 1))
                .returning(TicketRow::as_returning())
                .get_result(inner)
                .optional())
        })?;
        row.map(|row| row.signed(id)).transpose()
    }

    fn ticket_to_try(
        &mut self,
        id: TicketId,
        now: Timestamp,
        at_most: i64,
    ) -> Result<Option<Signed<TicketRecord>>, StoreError> {
        let row: Option<TicketRow> = self.run(|connection| {
            login_tickets::table
                .find(id.as_str())
                .filter(login_tickets::expires_at.gt(now.0))
                .filter(login_tickets::tries.lt(at_most))
                .select(TicketRow::as_select())
                .first(connection)
                .optional()
        })?;
        row.map(|row| row.signed(id)).transpose()
    }

    fn use_ticket(&mut self, id: TicketId) -> Result<bool, StoreError> {
        let used = self.run(|connection| {
            diesel::delete(login_tickets::table.find(id.as_str())).execute(connection)
        })?;
        Ok(used == 1)
    }

    fn void_tickets(&mut self, user: UserId) -> Result<(), StoreError> {
        self.run(|connection| {
            diesel::delete(login_tickets::table)
                .filter(login_tickets::user_id.eq(user.to_string()))
                .execute(connection)
        })
        .map(drop)
    }

    fn forget_tickets(&mut self, before: Timestamp) -> Result<(), StoreError> {
        self.run(|connection| match connection {
            #[cfg(feature = "sqlite")]
            AnyConnection::Sqlite(inner) => diesel::delete(login_tickets::table)
                .filter(login_tickets::expires_at.lt(before.0))
                .execute(inner),
            #[cfg(feature = "postgres")]
            AnyConnection::Postgres(inner) => diesel::sql_query(FORGET_UNLOCKED)
                .bind::<diesel::sql_types::BigInt, _>(before.0)
                .execute(inner),
        })
        .map(drop)
    }
}

/// Without waiting, as attempts are forgotten.
#[cfg(feature = "postgres")]
const FORGET_UNLOCKED: &str = "DELETE FROM login_tickets WHERE id = ANY(ARRAY(\
         SELECT id FROM login_tickets WHERE expires_at < $1 FOR UPDATE SKIP LOCKED))";

#[derive(Queryable, Selectable)]
#[diesel(table_name = login_tickets)]
struct TicketRow {
    ticket_mac: String,
    user_id: String,
    expires_at: i64,
    row_mac: String,
}

impl TicketRow {
    fn signed(self, id: TicketId) -> Result<Signed<TicketRecord>, StoreError> {
        let record = TicketRecord {
            id,
            ticket_mac: stored::mac(&self.ticket_mac),
            user: stored::id(&self.user_id, "login_tickets.user_id")?,
            expires_at: Timestamp(self.expires_at),
        };
        Ok(Signed::from_stored(record, stored::mac(&self.row_mac)))
    }
}
