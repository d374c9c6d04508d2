use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::exit::{Exit, Failure};
use crate::settings::Name;
use crate::terminal;

/// Where to.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write a page for each command into this folder, as keyward.1, keyward-serve.1 and so on.
    #[arg(long, value_name = "FOLDER")]
    out_dir: Option<PathBuf>,
}

/// `keyward man`: the manual, as `man` reads it.
pub(crate) fn man(mut command: Command, args: &ManArgs) -> Result<Exit, Failure> {
    command.build();
    match &args.out_dir {
        None => {
            let page = page(&command).map_err(Failure::unavailable)?;
            terminal::print(&String::from_utf8_lossy(&page))?;
        }
        Some(folder) => {
            fs::create_dir_all(folder)
                .and_then(|()| write_all(&command, folder))
                .map_err(|error| {
                    Failure::unavailable(format!("cannot write to {}: {error}", folder.display()))
                })?;
        }
    }
    Ok(Exit::Done)
}

fn write_all(command: &Command, folder: &Path) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    fs::write(folder.join(format!("{name}.1")), page(command)?)?;
    let commands = command.get_subcommands();
    commands
        .filter(|command| command.get_name() != "help")
        .try_for_each(|command| write_all(command, folder))
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    if command.get_after_help().is_some() {
        man.render_extra_section(&mut page)?;
    }
    what_is_everywhere().to_writer(&mut page)?;
    Ok(page)
}

/// Exit codes, settings and files, which are those of all commands.
fn what_is_everywhere() -> Roff {
    let mut roff = Roff::default();
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in EXITS {
        roff.control("TP", []);
        roff.text([bold(code)]);
        roff.text([roman(meaning)]);
    }
    roff.control("SH", ["ENVIRONMENT"]);
    roff.text([roman(
        "Each of these can stand in keyward.toml, too, in lower case. A variable wins. Those that \
         hold secrets have a twin that ends in _FILE and names a file.",
    )]);
    for name in Name::ALL {
        roff.control("TP", []);
        roff.text([bold(name.variable())]);
        roff.text([roman(name.meaning())]);
    }
    roff.control("SH", ["FILES"]);
    roff.control("TP", []);
    roff.text([bold("keyward.toml")]);
    roff.text([roman(
        "Settings, in the working directory or where --config says.",
    )]);
    roff
}

const EXITS: [(&str, &str); 5] = [
    ("0", "Done."),
    (
        "1",
        "Done with warnings, a check that failed, or refused: the message says why.",
    ),
    (
        "2",
        "The command line is wrong, or keyward doctor found what makes production unsafe.",
    ),
    (
        "69",
        "Something that is needed does not answer: the database, a file, the output.",
    ),
    (
        "78",
        "The settings are wrong. Starting again without changing them is of no use.",
    ),
];
