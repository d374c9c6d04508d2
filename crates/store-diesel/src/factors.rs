use diesel::prelude::*;
use keyward_auth::{PendingTotp, SecondFactors, TotpSecrets, UserId};
use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{EncryptedString, Mac};

use crate::connection::each;
use crate::schema::{recovery_codes, totp_secrets};
use crate::{DieselTx, stored};

impl SecondFactors for DieselTx {
    fn totp_secrets(&mut self, user: UserId) -> Result<TotpSecrets, StoreError> {
        let row = self.run(|connection| {
            totp_secrets::table
                .find(user.to_string())
                .select(SecretsRow::as_select())
                .get_result(connection)
                .optional()
        })?;
        Ok(row.map_or_else(TotpSecrets::default, TotpSecrets::from))
    }

    fn set_totp_secrets(&mut self, user: UserId, secrets: &TotpSecrets) -> Result<(), StoreError> {
        let row = SecretsRow::of(user, secrets);
        self.run(|connection| {
            each!(connection, inner => diesel::insert_into(totp_secrets::table)
                .values(&row)
                .on_conflict(totp_secrets::user_id)
                .do_update()
                .set(&row)
                .execute(inner))
        })
        .map(drop)
    }

    fn recovery_codes(&mut self, user: UserId) -> Result<Vec<Mac>, StoreError> {
        let stored: Vec<String> = self.run(|connection| {
            recovery_codes::table
                .filter(recovery_codes::user_id.eq(user.to_string()))
                .select(recovery_codes::mac)
                .load(connection)
        })?;
        Ok(stored.iter().map(|mac| stored::mac(mac)).collect())
    }

    fn set_recovery_codes(&mut self, user: UserId, codes: &[Mac]) -> Result<(), StoreError> {
        let user = user.to_string();
        let rows: Vec<_> = codes
            .iter()
            .map(|mac| {
                (
                    recovery_codes::user_id.eq(&user),
                    recovery_codes::mac.eq(mac.as_stored()),
                )
            })
            .collect();
        self.run(|connection| {
            diesel::delete(recovery_codes::table.filter(recovery_codes::user_id.eq(&user)))
                .execute(connection)?;
            each!(connection, inner => {
                for row in rows {
                    diesel::insert_into(recovery_codes::table).values(row).execute(inner)?;
                }
                Ok(())
            })
        })
    }

    fn use_recovery_code(&mut self, user: UserId, code: &Mac) -> Result<bool, StoreError> {
        let deleted = self.run(|connection| {
            diesel::delete(recovery_codes::table.find((user.to_string(), code.as_stored())))
                .execute(connection)
        })?;
        Ok(deleted == 1)
    }
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = totp_secrets, treat_none_as_null = true)]
struct SecretsRow {
    user_id: String,
    active: Option<String>,
    pending: Option<String>,
    pending_expires_at: Option<i64>,
}

impl SecretsRow {
    fn of(user: UserId, secrets: &TotpSecrets) -> Self {
        let pending = secrets.pending.as_ref();
        Self {
            user_id: user.to_string(),
            active: secrets
                .active
                .as_ref()
                .map(|sealed| sealed.as_stored().to_owned()),
            pending: pending.map(|pending| pending.secret.as_stored().to_owned()),
            pending_expires_at: pending.map(|pending| pending.expires_at.0),
        }
    }
}

impl From<SecretsRow> for TotpSecrets {
    fn from(row: SecretsRow) -> Self {
        let pending = row.pending.zip(row.pending_expires_at);
        Self {
            active: row.active.map(EncryptedString::from_stored),
            pending: pending.map(|(secret, expires_at)| PendingTotp {
                secret: EncryptedString::from_stored(secret),
                expires_at: Timestamp(expires_at),
            }),
        }
    }
}
