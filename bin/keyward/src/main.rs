//! The `keyward` binary: command line, settings, checks and wiring. The rules live in the crates.

mod background;
mod cli;
mod commands;
mod doctor;
mod exit;
#[cfg(target_os = "linux")]
mod handover;
mod key_check;
mod keys;
mod logging;
mod memory;
mod peers;
mod private_path;
mod progress;
mod settings;
mod startup;
mod terminal;
mod tls;
mod traces;
mod wiring;

use std::alloc::System;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};
use zeroizing_alloc::ZeroAlloc;

use crate::cli::{AuditCommand, Cli, Command};
use crate::exit::{Exit, Failure};
use crate::settings::Settings;
use crate::traces::Traces;

/// What was freed holds nothing any more.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    // Before anything is read that is a secret. Some sandboxes forbid it; that is no reason not to
    // run, but one to be told.
    if let Err(error) = memory::keep_private() {
        eprintln!("keyward: warning: a crash may write secrets to a core dump: {error}");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = handover::leave_environment() {
        eprintln!("keyward: warning: keys stay in the environment of the process: {error}");
    }
    match run(&Cli::parse()) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("keyward: {failure}");
            failure.exit().into()
        }
    }
}

fn run(cli: &Cli) -> Result<Exit, Failure> {
    let output = cli.output();
    match &cli.command {
        Command::Serve => serve(cli),
        Command::Init(args) => commands::init(&settings(cli)?, args, output),
        Command::Migrate => commands::migrate(&settings(cli)?, output),
        Command::Agent(command) => commands::agent(&settings(cli)?, command, output),
        Command::Credential(command) => commands::credential(&settings(cli)?, command, output),
        Command::ApiKey(command) => commands::api_key(&settings(cli)?, command, output),
        Command::User(command) => commands::user(&settings(cli)?, command, output),
        Command::Import(command) => commands::import(|| settings(cli), command, output),
        Command::Keys(command) => commands::keys(|| settings(cli), command, output),
        Command::Backup(command) => commands::backup(|| settings(cli), command, output),
        Command::Audit(AuditCommand::Verify { anchor }) => {
            commands::audit_verify(&settings(cli)?, anchor.as_deref(), output)
        }
        Command::Audit(AuditCommand::Export(args)) => commands::audit_export(&settings(cli)?, args),
        Command::Audit(AuditCommand::Anchor) => commands::audit_anchor(&settings(cli)?, output),
        Command::Clock(command) => commands::clock(&settings(cli)?, command, output),
        Command::Env(args) => commands::env(&settings(cli)?, args, output),
        Command::Health(args) => commands::health(&settings(cli)?, args, output),
        Command::Openapi => commands::openapi(),
        Command::Doctor { format } => doctor::run(&settings(cli)?, *format, output),
        Command::Settings { format } => commands::settings(*format, output),
        Command::Man(args) => commands::man(Cli::command(), args),
        Command::Completions { shell } => cli::completions(*shell).map(|()| Exit::Done),
    }
}

/// Traces are of a server alone; they are sent until its end.
fn serve(cli: &Cli) -> Result<Exit, Failure> {
    let settings = Settings::load(cli.config.as_deref())?;
    let endpoint = settings.otlp_endpoint.as_deref();
    let traces = endpoint.map(Traces::start).transpose()?;
    logging::start(&settings.log, traces.as_ref())?;
    commands::serve(settings)
}

/// The settings, with logging set up by them.
fn settings(cli: &Cli) -> Result<Settings, Failure> {
    let settings = Settings::load(cli.config.as_deref())?;
    logging::start(&settings.log, None)?;
    Ok(settings)
}
