//! [`EncryptedString`] as a Text column. That the types fit is proven by compiling; the store
//! crate runs the same on real databases.

use diesel::backend::Backend;
use diesel::connection::LoadConnection;
use diesel::deserialize::FromSql;
use diesel::mysql::Mysql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::serialize::ToSql;
use diesel::sql_types::Text;
use keyward_crypto::{Context, EncryptedString, FieldKey, KeyRing};
use schema::credentials;

mod schema {
    diesel::table! {
        credentials (id) {
            id -> Text,
            secret -> Text,
            webhook_secret -> Nullable<Text>,
        }
    }
}

#[derive(Insertable, Queryable, Selectable)]
struct Credential {
    id: String,
    secret: EncryptedString,
    webhook_secret: Option<EncryptedString>,
}

#[test]
fn it_is_a_text_column_on_postgresql_and_mysql() {
    is_a_column_on::<Pg>();
    is_a_column_on::<Mysql>();
    is_a_column_wherever_text_is::<Pg>();
}

#[test]
fn a_query_in_a_log_does_not_show_the_ciphertext() {
    let ring = KeyRing::new(vec![FieldKey::generate()]).unwrap();
    let place = Context::new("credentials", "secret", "row-7", "owner-1");
    let secret = ring.seal("marker", &place, 1_800_000_000);
    let (_, token) = secret.as_stored().rsplit_once('.').unwrap();
    let token = token.to_owned();
    let row = Credential {
        id: "row-7".into(),
        secret,
        webhook_secret: None,
    };

    let query = diesel::insert_into(credentials::table).values(&row);

    let shown = diesel::debug_query::<Pg, _>(&query).to_string();
    assert!(shown.contains(ring.active().as_str()), "{shown}");
    assert!(!shown.contains(&token), "{shown}");
}

fn is_a_column_on<DB: Backend>()
where
    EncryptedString: ToSql<Text, DB> + FromSql<Text, DB>,
{
}

/// Compiles for any backend with text, among them SQLite, whose types diesel has only together
/// with the library.
fn is_a_column_wherever_text_is<DB: Backend>()
where
    str: ToSql<Text, DB>,
    String: FromSql<Text, DB>,
{
    is_a_column_on::<DB>();
}

/// The row can be read in queries and be changed by them.
#[expect(dead_code, reason = "compiling is the test")]
fn it_is_selected_and_compared_and_set(
    connection: &mut impl LoadConnection<Backend = Pg>,
    before: &EncryptedString,
    after: &EncryptedString,
) -> QueryResult<Vec<Credential>> {
    diesel::update(credentials::table.filter(credentials::secret.eq(before)))
        .set(credentials::secret.eq(after))
        .execute(connection)?;
    credentials::table
        .select(Credential::as_select())
        .load(connection)
}
