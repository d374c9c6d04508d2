//! The least that actix-web can do: answers paths with the content of files. `scripts/bench-http`
//! measures Keyward against it.
//!
//! `bare_route ADDRESS PATH=FILE…` prints the address it listens on.

use std::io::{Error, ErrorKind};
use std::net::TcpListener;

use actix_web::{App, HttpResponse, HttpServer, web};

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or_else(usage)?;
    let answers = arguments
        .map(|argument| {
            let (path, file) = argument.split_once('=').ok_or_else(usage)?;
            Ok((path.to_owned(), web::Bytes::from(std::fs::read(file)?)))
        })
        .collect::<std::io::Result<Vec<_>>>()?;
    let listener = TcpListener::bind(address)?;
    println!("{}", listener.local_addr()?);
    HttpServer::new(move || {
        answers.iter().fold(App::new(), |app, (path, body)| {
            let body = body.clone();
            let answer = move || {
                let body = body.clone();
                async {
                    HttpResponse::Ok()
                        .content_type("application/json")
                        .body(body)
                }
            };
            app.route(path, web::get().to(answer))
        })
    })
    .listen(listener)?
    .run()
    .await
}

fn usage() -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        "usage: bare_route ADDRESS PATH=FILE...",
    )
}
