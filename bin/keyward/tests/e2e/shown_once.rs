//! What is shown only once, and cannot be shown.

use std::fs::File;
use std::process::{Command, Output, Stdio};

use crate::running::Home;

/// Ends a command whose standard output takes nothing.
fn to_a_full_disk(mut command: Command) -> Output {
    let full = File::options().write(true).open("/dev/full").unwrap();
    command.stdout(full).output().unwrap()
}

/// Ends a command whose reader has left.
fn to_nobody(mut command: Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    child.wait_with_output().unwrap()
}

#[test]
fn a_first_key_that_cannot_be_shown_is_an_error_that_says_what_to_do() {
    for run in [to_a_full_disk, to_nobody] {
        for arguments in [
            &["init", "--username", "admin"] as &[&str],
            &["init", "--username", "admin", "--json"],
            &["serve"],
        ] {
            let home = Home::new();
            let mut command = home.command(arguments);
            command.stdin(Stdio::null());
            let output = run(command);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(69), "{arguments:?}: {said}");
            for word in ["only once", "admin exists now", "keyward.db", "remove"] {
                assert!(said.contains(word), "{word:?} in {said}");
            }
            assert!(!said.contains("kw_user_"), "{said}");

            // What it says is true.
            let again = home.run(&["init", "--username", "admin"]);
            assert_eq!(again.code, 78, "{again:?}");
            std::fs::remove_file(home.database_file()).unwrap();
            let anew = home.run(&["init", "--username", "admin"]);
            assert_eq!(anew.code, 0, "{anew:?}");
            assert!(anew.stdout.contains("kw_user_"), "{anew:?}");
        }
    }
}
