//! What the application is about: notes, in a table of its own, for whoever has a key.

// Brings SQLite itself.
use std::sync::Mutex;

use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpRequest, HttpResponse, web};
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use keyward_auth::needs::Read;
use keyward_auth::{Authenticate, AuthenticateError};
use keyward_crypto::ApiKey;
use keyward_http::Problem;
use keyward_store_diesel::DieselStore;
use serde::Deserialize;

use crate::wiring::Keyward;

diesel::table! {
    notes (id) {
        id -> Integer,
        author -> Text,
        text -> Text,
    }
}

/// The application's own state: who has which key, and its own connection.
pub struct Notes {
    authenticate: Authenticate<DieselStore>,
    connection: Mutex<SqliteConnection>,
}

/// What is asked of `POST /notes`.
#[derive(Deserialize)]
pub struct NewNote {
    text: String,
}

impl Notes {
    /// Makes the table, in the file that Keyward has its own in.
    pub fn open(path: &str, keyward: &Keyward) -> Result<Self, Box<dyn std::error::Error>> {
        let mut connection = SqliteConnection::establish(path)?;
        connection.batch_execute(
            "PRAGMA busy_timeout = 5000;
             CREATE TABLE IF NOT EXISTS notes (
                 id INTEGER NOT NULL PRIMARY KEY, author TEXT NOT NULL, text TEXT NOT NULL
             ) STRICT;",
        )?;
        let environment = keyward.environment.clone();
        Ok(Self {
            authenticate: Authenticate::new(
                environment.store,
                environment.macs,
                environment.clock,
                keyward.last_used.clone(),
            ),
            connection: Mutex::new(connection),
        })
    }

    /// Puts the routes where they belong.
    pub fn mount(config: &mut web::ServiceConfig) {
        config.service(
            web::resource("/notes")
                .route(web::get().to(list))
                .route(web::post().to(add)),
        );
    }

    /// The name of whoever has the key, if it may read.
    fn author(&self, key: &ApiKey) -> Result<String, Problem> {
        let permit = self.authenticate.principal(key)?.permit::<Read>()?;
        Ok(permit.username.to_string())
    }

    fn connection(&self) -> std::sync::MutexGuard<'_, SqliteConnection> {
        self.connection
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

async fn list(request: HttpRequest, state: web::Data<Notes>) -> Result<HttpResponse, Problem> {
    let key = key(&request)?;
    // Databases are asked on threads that may wait.
    let listed = web::block(move || {
        state.author(&key)?;
        let rows = notes::table
            .select((notes::author, notes::text))
            .order(notes::id);
        Ok::<_, Problem>(rows.load::<(String, String)>(&mut *state.connection()))
    });
    match listed.await {
        Ok(answer) => match answer? {
            Ok(rows) => Ok(HttpResponse::Ok().json(rows)),
            Err(_) => Ok(HttpResponse::ServiceUnavailable().finish()),
        },
        Err(_) => Ok(HttpResponse::ServiceUnavailable().finish()),
    }
}

async fn add(
    request: HttpRequest,
    state: web::Data<Notes>,
    note: web::Json<NewNote>,
) -> Result<HttpResponse, Problem> {
    let key = key(&request)?;
    let added = web::block(move || {
        let author = state.author(&key)?;
        let row = (notes::author.eq(author), notes::text.eq(&note.text));
        let insert = diesel::insert_into(notes::table).values(row);
        Ok::<_, Problem>(insert.execute(&mut *state.connection()))
    });
    match added.await {
        Ok(answer) => match answer? {
            Ok(_) => Ok(HttpResponse::Created().finish()),
            Err(_) => Ok(HttpResponse::ServiceUnavailable().finish()),
        },
        Err(_) => Ok(HttpResponse::ServiceUnavailable().finish()),
    }
}

/// The key of a request. What has not the form of one is refused without asking the database.
fn key(request: &HttpRequest) -> Result<ApiKey, Problem> {
    let field = request.headers().get(AUTHORIZATION);
    let text = field.and_then(|field| field.to_str().ok());
    let key = text.and_then(|text| text.strip_prefix("Bearer "));
    key.and_then(|key| ApiKey::parse(key).ok())
        .ok_or_else(|| AuthenticateError::Rejected.into())
}
