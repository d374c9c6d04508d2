use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::Bool;
use keyward_auth::{
    Delegation, PersonName, Role, Scopes, User, UserId, UserKind, UserReplaced, UserStatus,
    Username, Users,
};
use keyward_core::{Id, LegacyId, StoreError, Timestamp};
use keyward_crypto::{Mac, PasswordHash, Signed};

use crate::DieselTx;
use crate::connection::{AnyConnection, each};
use crate::first::{cut, first};
use crate::schema::users;
use crate::stored::{self, RowMac};

impl Users for DieselTx {
    fn add_user(&mut self, user: &Signed<User>) -> Result<bool, StoreError> {
        let row = NewUser::from(user);
        let added = self.run(|connection| {
            each!(connection, inner => diesel::insert_into(users::table)
                .values(&row)
                .on_conflict_do_nothing()
                .execute(inner))
        })?;
        Ok(added == 1)
    }

    fn user(&mut self, id: UserId) -> Result<Option<Signed<User>>, StoreError> {
        self.row(&id.to_string())?.map(Signed::try_from).transpose()
    }

    fn user_by_name(&mut self, username: &Username) -> Result<Option<Signed<User>>, StoreError> {
        self.run(|connection| {
            users::table
                .filter(users::username.eq(username.as_str()).and(NotDeleted))
                .select(UserRow::as_select())
                .get_result(connection)
                .optional()
        })?
        .map(Signed::try_from)
        .transpose()
    }

    fn user_by_legacy_id(&mut self, id: LegacyId) -> Result<Option<Signed<User>>, StoreError> {
        self.run(|connection| {
            users::table
                .filter(users::legacy_id.eq(id.0))
                .select(UserRow::as_select())
                .get_result(connection)
                .optional()
        })?
        .map(Signed::try_from)
        .transpose()
    }

    fn users_after(
        &mut self,
        after: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<Signed<User>>, StoreError> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let rows: Vec<UserRow> = self.run(|connection| {
            each!(connection, inner => users::table
                .filter(users::id.gt(after).and(NotDeleted))
                .order(first(limit, users::id))
                .select(UserRow::as_select())
                .load(inner))
        })?;
        cut(rows, limit).into_iter().map(Signed::try_from).collect()
    }

    fn any_user(&mut self) -> Result<bool, StoreError> {
        self.run(|connection| {
            diesel::select(diesel::dsl::exists(users::table.select(users::id)))
                .get_result(connection)
        })
    }

    fn replace_user(&mut self, old: &Mac, new: &Signed<User>) -> Result<UserReplaced, StoreError> {
        let id = new.unverified().id.to_string();
        let old = old.as_stored();
        let Some(stored) = self.row(&id)?.filter(|row| row.row_mac == old) else {
            return Ok(UserReplaced::Stale);
        };
        let stored: Signed<User> = stored.try_into()?;
        let was_admin = stored.unverified().is_active_admin();
        let takes_admin = was_admin && !new.unverified().is_active_admin();
        if takes_admin {
            self.run(lock_active_admins)?;
        }
        let row = NewUser::from(new);
        let written = self.run(|connection| {
            // In a savepoint, because PostgreSQL would give up the whole transaction when the
            // name is taken.
            connection.transaction(|connection| row.write_over(&old, takes_admin, connection))
        });
        match written {
            Ok(1) => Ok(UserReplaced::Done),
            Ok(_) => self.why_not_replaced(&id, &old),
            Err(error) if is_unique_violation(&error) => Ok(UserReplaced::NameTaken),
            Err(error) => Err(error),
        }
    }
}

impl DieselTx {
    fn why_not_replaced(&mut self, id: &str, old: &str) -> Result<UserReplaced, StoreError> {
        Ok(match self.row(id)? {
            Some(row) if row.row_mac == old => UserReplaced::LastAdmin,
            _ => UserReplaced::Stale,
        })
    }

    fn row(&mut self, id: &str) -> Result<Option<UserRow>, StoreError> {
        self.run(|connection| {
            users::table
                .find(id)
                .select(UserRow::as_select())
                .get_result(connection)
                .optional()
        })
    }
}

/// Makes other units of work that would take away an administrator wait, so that each sees what
/// the one before it has done. Always in the order of ids, or two of them could wait for each
/// other. Rows that refer to them, such as attempts, do not wait.
///
/// Not `FOR UPDATE`: that waits for every unit of work that has made a key for one of them, which
/// may in turn wait for another one that is locked here already.
///
/// On SQLite nobody else writes meanwhile.
fn lock_active_admins(connection: &mut AnyConnection) -> QueryResult<()> {
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => Ok(()),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(inner) => users::table
            .filter(users::role.eq(Role::Admin.as_str()))
            .filter(users::kind.eq(UserKind::Human.as_str()))
            .filter(users::status.eq(UserStatus::Active.as_str()))
            .order(users::id)
            .select(users::id)
            .for_no_key_update()
            .load::<String>(inner)
            .map(drop),
    }
}

fn is_unique_violation(error: &StoreError) -> bool {
    use diesel::result::{DatabaseErrorKind, Error};

    let StoreError::Backend(source) = error else {
        return false;
    };
    matches!(
        source.downcast_ref::<Error>(),
        Some(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _))
    )
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = users, treat_none_as_null = true)]
struct NewUser<'a> {
    id: String,
    username: &'a str,
    kind: &'a str,
    role: &'a str,
    status: &'a str,
    password_hash: Option<&'a str>,
    first_name: &'a str,
    last_name: &'a str,
    created_at: i64,
    version: i64,
    row_mac: String,
    mfa_since: Option<i64>,
    owner_id: Option<String>,
    delegated_scopes: Option<String>,
    delegation_expires_at: Option<i64>,
    legacy_id: Option<i64>,
}

impl<'a> From<&'a Signed<User>> for NewUser<'a> {
    fn from(signed: &'a Signed<User>) -> Self {
        let user = signed.unverified();
        Self {
            id: user.id.to_string(),
            username: user.username.as_str(),
            kind: user.kind.as_str(),
            role: user.role.as_str(),
            status: user.status.as_str(),
            password_hash: user.password_hash.as_ref().map(PasswordHash::as_stored),
            first_name: user.first_name.as_str(),
            last_name: user.last_name.as_str(),
            created_at: user.created_at.0,
            version: user.version,
            row_mac: signed.mac().as_stored(),
            mfa_since: user.mfa_since.map(|at| at.0),
            owner_id: user.delegation.map(|given| given.owner.to_string()),
            delegated_scopes: user.delegation.map(|given| given.scopes.to_string()),
            delegation_expires_at: user
                .delegation
                .and_then(|given| given.expires_at)
                .map(|at| at.0),
            legacy_id: user.legacy_id.map(|id| id.0),
        }
    }
}

impl NewUser<'_> {
    /// Compare-and-set, and, where an administrator is taken away, only if another one remains.
    fn write_over(
        &self,
        old: &str,
        takes_admin: bool,
        connection: &mut AnyConnection,
    ) -> QueryResult<usize> {
        let unchanged = users::id.eq(&self.id).and(users::row_mac.eq(old));
        if !takes_admin {
            return diesel::update(users::table.filter(unchanged))
                .set(self)
                .execute(connection);
        }
        let others = diesel::alias!(users as others);
        let another_admin = others
            .filter(others.field(users::id).ne(&self.id))
            .filter(others.field(users::role).eq(Role::Admin.as_str()))
            .filter(others.field(users::kind).eq(UserKind::Human.as_str()))
            .filter(others.field(users::status).eq(UserStatus::Active.as_str()))
            .select(others.field(users::id));
        diesel::update(users::table.filter(unchanged.and(diesel::dsl::exists(another_admin))))
            .set(self)
            .execute(connection)
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = users)]
pub(crate) struct UserRow {
    id: String,
    username: String,
    kind: String,
    role: String,
    status: String,
    password_hash: Option<String>,
    first_name: String,
    last_name: String,
    created_at: i64,
    version: i64,
    row_mac: String,
    mfa_since: Option<i64>,
    owner_id: Option<String>,
    delegated_scopes: Option<String>,
    delegation_expires_at: Option<i64>,
    legacy_id: Option<i64>,
}

impl UserRow {
    /// `None` for people. Half of one means nothing, and makes the row a forged one.
    fn delegation(&self, mac: &mut RowMac) -> Option<Delegation> {
        if self.owner_id.is_none() && self.delegated_scopes.is_none() {
            return None;
        }
        let owner = self.owner_id.as_deref().and_then(|id| Id::parse(id).ok());
        let scopes = self.delegated_scopes.as_deref();
        let scopes = scopes.and_then(|names| Scopes::from_stored(names).ok());
        let delegation = owner.zip(scopes).map(|(owner, scopes)| Delegation {
            owner,
            scopes,
            expires_at: self.delegation_expires_at.map(Timestamp),
        });
        mac.covers(delegation.map(Some), None)
    }
}

impl TryFrom<UserRow> for Signed<User> {
    type Error = StoreError;

    fn try_from(row: UserRow) -> Result<Self, StoreError> {
        let mut mac = RowMac::of(&row.row_mac);
        let delegation = row.delegation(&mut mac);
        let user = User {
            id: stored::id(&row.id, "users.id")?,
            username: Username::from_stored(row.username),
            kind: mac.covers(UserKind::parse(&row.kind), UserKind::Agent),
            role: mac.covers(Role::parse(&row.role), Role::Normal),
            status: mac.covers(UserStatus::parse(&row.status), UserStatus::Disabled),
            password_hash: row.password_hash.map(PasswordHash::from_stored),
            first_name: PersonName::from_stored(row.first_name),
            last_name: PersonName::from_stored(row.last_name),
            created_at: Timestamp(row.created_at),
            mfa_since: row.mfa_since.map(Timestamp),
            delegation,
            legacy_id: row.legacy_id.map(LegacyId),
            version: row.version,
        };
        Ok(mac.over(user))
    }
}

/// `status <> 'deleted'`, as the index of names says it. With a bound value in place of the text
/// the database could not know that the index fits.
#[derive(Clone, Copy, Debug, QueryId, diesel::expression::ValidGrouping)]
struct NotDeleted;

impl diesel::Expression for NotDeleted {
    type SqlType = Bool;
}

impl<DB: diesel::backend::Backend> QueryFragment<DB> for NotDeleted {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("(users.status <> 'deleted')");
        Ok(())
    }
}

impl diesel::AppearsOnTable<users::table> for NotDeleted {}
