use std::process::{Command, Stdio};

use crate::sandbox::Sandbox;

#[test]
fn completions_know_the_commands_of_each_shell() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = sandbox.run(&["completions", shell]);
        assert_eq!(ran.code, 0, "{ran:?}");
        for word in ["keyward", "doctor", "password-stdin"] {
            assert!(ran.stdout.contains(word), "{word} for {shell}");
        }
    }
}

#[test]
fn usage_errors_end_with_2_and_help_with_0() {
    let sandbox = Sandbox::new();
    for line in [
        &["unknown"] as &[&str],
        &[],
        &["init"],
        &["doctor", "--format", "xml"],
    ] {
        let ran = sandbox.run(line);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains("--help"), "{ran:?}");
    }
    for line in [
        &["--help"] as &[&str],
        &["--version"],
        &["keys", "generate", "--help"],
    ] {
        assert_eq!(sandbox.run(line).code, 0, "{line:?}");
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_keyward"))
        .args(["completions", "zsh"])
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{output:?}");
}
