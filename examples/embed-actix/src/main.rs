//! Serves notes and Keyward's API on 127.0.0.1:8081, in a database of the folder that it is started in.

use std::error::Error;
use std::fs;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use embed_actix::notes::Notes;
use embed_actix::wiring::{Keyward, keyward};
use keyward_auth::{Housekeeping, Setup, Username};
use keyward_crypto::{FieldKey, MacRing, Password};
use keyward_http::edge;

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Your program has a better place for keys than files beside the database.
    let field_key = kept("field.key", || {
        FieldKey::generate().expose().expose().to_owned()
    })?;
    let secret = kept("secret.key", || {
        MacRing::generate_secret().expose().to_owned()
    })?;
    let keyward = keyward("sqlite://app.db", &field_key, &secret)?;
    let setup = Setup::new(keyward.environment.clone());
    if setup.is_due()? {
        let password = MacRing::generate_secret().expose().to_owned();
        let admin = setup.first_admin(
            &Username::parse("admin")?,
            &Password::new_secret(password.into())?,
        )?;
        println!("the key of admin, shown once: {}", admin.key.expose());
    }
    let notes = web::Data::new(Notes::open("app.db", &keyward)?);
    let api = keyward.api.clone();
    std::thread::spawn(move || keep_house(&keyward));
    HttpServer::new(move || {
        App::new()
            .wrap(from_fn(edge))
            .app_data(notes.clone())
            .configure(Notes::mount)
            .configure(|config| api.mount(config))
    })
    .bind("127.0.0.1:8081")?
    .run()
    .await?;
    Ok(())
}

/// What has to be done now and then.
fn keep_house(keyward: &Keyward) {
    let housekeeping = Housekeeping::new(keyward.environment.clone());
    loop {
        std::thread::sleep(Duration::from_secs(60));
        let done = keyward.last_used.flush(&keyward.environment.store);
        if let Err(error) = done.and_then(|()| housekeeping.sweep()) {
            eprintln!("later: {error}");
        }
    }
}

fn kept(name: &str, make: impl FnOnce() -> String) -> std::io::Result<String> {
    match fs::read_to_string(name) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let made = make();
            fs::write(name, &made)?;
            Ok(made)
        }
        read => read,
    }
}
