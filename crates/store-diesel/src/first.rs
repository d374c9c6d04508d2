use diesel::backend::Backend;
use diesel::expression::{AppearsOnTable, Expression, ValidGrouping};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType};

/// The first `limit` rows in the order `by`: goes into `order`, as the end of a query.
///
/// Diesel binds limits, and SQLite throws a plan away whenever a limit is bound, so that the
/// prepared statement would be compiled again for every page. Here the number stands in the text.
/// It is rounded up to one of a few, so that there are few statements to keep: cut what comes back
/// with [`cut`].
pub(crate) fn first<Order>(limit: i64, by: Order) -> First<Order> {
    let size = SIZES.into_iter().find(|size| limit <= *size);
    First { by, size, limit }
}

/// Drops the rows that rounding up has added.
pub(crate) fn cut<Row>(mut rows: Vec<Row>, limit: i64) -> Vec<Row> {
    rows.truncate(usize::try_from(limit).unwrap_or(0));
    rows
}

/// See [`first`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct First<Order> {
    by: Order,
    size: Option<i64>,
    limit: i64,
}

impl<Order: Expression> Expression for First<Order> {
    type SqlType = Order::SqlType;
}

impl<Order: ValidGrouping<GroupBy>, GroupBy> ValidGrouping<GroupBy> for First<Order> {
    type IsAggregate = Order::IsAggregate;
}

impl<Order: AppearsOnTable<From>, From: ?Sized> AppearsOnTable<From> for First<Order> {}

/// The text is not the same for every value of the type.
impl<Order> QueryId for First<Order> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<DB, Order> QueryFragment<DB> for First<Order>
where
    DB: Backend + HasSqlType<BigInt>,
    Order: QueryFragment<DB>,
    i64: ToSql<BigInt, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.by.walk_ast(out.reborrow())?;
        out.push_sql(" LIMIT ");
        match self.size {
            Some(size) => out.push_sql(&size.to_string()),
            None => out.push_bind_param::<BigInt, _>(&self.limit)?,
        }
        Ok(())
    }
}

/// What common pages ask for: one row more than they show, to see whether there is a next page.
const SIZES: [i64; 6] = [2, 11, 21, 51, 101, 201];

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use diesel::Connection as _;
    use diesel::connection::InstrumentationEvent;
    use keyward_audit::AuditEvents as _;
    use keyward_auth::{ApiKeys as _, Users as _};
    use keyward_core::{Id, StoreError};
    use keyward_credentials::Credentials as _;

    use crate::DieselTx;
    use crate::connection::Access;
    use crate::testing::TestDatabase;

    fn assert_prepared_once(database: &TestDatabase) {
        type List = fn(&mut DieselTx, i64) -> Result<(), StoreError>;
        let lists: [List; 5] = [
            |tx, limit| tx.users_after(None, limit).map(drop),
            |tx, limit| tx.api_keys_of(Id::generate(), None, limit).map(drop),
            |tx, limit| tx.credentials_after(None, None, limit).map(drop),
            |tx, limit| {
                let by = Some(Id::generate());
                tx.credentials_after(None, by, limit).map(drop)
            },
            |tx, limit| tx.audit_events_before(None, limit).map(drop),
        ];
        for list in lists {
            let mut tx = database.store().open(Access::Read).unwrap();
            let prepared = prepared(&mut tx, |tx| {
                for limit in [22, 50, 51, 51] {
                    list(tx, limit).unwrap();
                }
            });
            assert_eq!(prepared.len(), 1, "{prepared:?}");
            assert!(prepared[0].contains("LIMIT 51"), "{prepared:?}");
        }
    }

    fn prepared(tx: &mut DieselTx, work: impl FnOnce(&mut DieselTx)) -> Vec<String> {
        let prepared = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&prepared);
        let watched = tx.run(|connection| {
            connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
                if let InstrumentationEvent::CacheQuery { sql, .. } = event {
                    seen.lock().unwrap().push(sql.to_owned());
                }
            });
            Ok(())
        });
        watched.unwrap();
        work(tx);
        prepared.lock().unwrap().clone()
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn sqlite_prepares_a_page_of_a_list_once() {
        assert_prepared_once(&TestDatabase::sqlite());
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn postgresql_prepares_a_page_of_a_list_once() {
        if let Some(database) = TestDatabase::postgres() {
            assert_prepared_once(&database);
        }
    }

    #[test]
    fn what_rounding_up_adds_is_cut() {
        assert_eq!(super::cut(vec![1, 2, 3], 2), [1, 2]);
        assert_eq!(super::cut(vec![1, 2, 3], i64::MAX), [1, 2, 3]);
        assert_eq!(super::cut(vec![1, 2, 3], 0), [0; 0]);
        assert_eq!(super::cut(vec![1, 2, 3], -1), [0; 0]);
    }
}
