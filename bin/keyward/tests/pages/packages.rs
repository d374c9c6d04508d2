//! Units, the container and the Debian package.

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use tempfile::TempDir;

use crate::running::Home;
use crate::{file, has, text};

const UNITS: [&str; 4] = [
    "keyward.service",
    "keyward.socket",
    "keyward-backup.service",
    "keyward-backup.timer",
];

#[test]
fn what_a_compromised_server_could_do_is_little() {
    if !has(
        "what_a_compromised_server_could_do_is_little",
        &["systemd-analyze"],
    ) {
        return;
    }
    for unit in ["keyward.service", "keyward-backup.service"] {
        let path = file("packaging/systemd").join(unit);
        let rated = exposure(&path);
        println!("figure: {unit}: exposure {rated}");
        assert!(rated <= 1.5, "{unit}: {rated}");
    }
    let folder = TempDir::new().unwrap();
    let open = folder.path().join("open.service");
    std::fs::write(&open, "[Service]\nExecStart=/bin/true\n").unwrap();
    assert!(exposure(&open) > 5.0, "an open unit is rated as one");
}

fn exposure(unit: &std::path::Path) -> f64 {
    let rated = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager"])
        .arg(unit)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&rated.stdout).into_owned();
    let (_, rest) = said
        .rsplit_once("exposure level for ")
        .unwrap_or_else(|| panic!("{rated:?}"));
    let level = rest.split_whitespace().nth(1).unwrap();
    level.parse().unwrap()
}

/// The server does its work with the system calls that the unit allows.
#[test]
fn the_server_needs_no_system_call_that_the_unit_refuses() {
    let test = "the_server_needs_no_system_call_that_the_unit_refuses";
    if !has(test, &["systemd-analyze", "strace"]) {
        return;
    }
    let allowed = allowed();
    let home = Home::new();
    let trace = home.path("trace");
    let mut command = Command::new("strace");
    command
        .args(["-f", "-qq", "-o"])
        .arg(&trace)
        .arg(env!("CARGO_BIN_EXE_keyward"))
        .arg("serve")
        .process_group(0);
    let server = crate::running::Server::of_command(command, home.root(), home.variables());
    let admin = server.admin();
    admin.get("/api/v1/auth/me").expect(200);
    admin.keep("x", "generic", &serde_json::json!({ "token": "a token" }));
    admin.get("/metrics");
    // Its parent is strace, which goes with it.
    server.terminate_group();
    let trace = std::fs::read_to_string(trace).unwrap();
    let used: BTreeSet<&str> = trace
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(_, call)| call.trim_start())
        .filter(|call| call.starts_with(|c: char| c.is_ascii_lowercase() || c == '_'))
        .filter_map(|call| call.split_once('('))
        .map(|(name, _)| name)
        .collect();
    assert!(used.len() > 30, "{used:?}");
    let refused: Vec<_> = used
        .iter()
        // SQLite asks for this as root only, which the unit is not.
        .filter(|call| !allowed.contains(**call) && **call != "fchown")
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
    assert!(!allowed.contains("ptrace") && !allowed.contains("chroot"));
}

/// What the filter of the unit leaves.
fn allowed() -> BTreeSet<String> {
    let unit = text("packaging/systemd/keyward.service");
    let filters = unit
        .lines()
        .filter_map(|line| line.strip_prefix("SystemCallFilter="));
    let mut allowed = BTreeSet::new();
    for filter in filters {
        let (removes, groups) = match filter.strip_prefix('~') {
            Some(groups) => (true, groups),
            None => (false, filter),
        };
        for call in groups.split(' ').flat_map(members) {
            if removes {
                allowed.remove(&call);
            } else {
                allowed.insert(call);
            }
        }
    }
    allowed
}

/// The system calls of a group, those of groups within it included.
fn members(group: &str) -> Vec<String> {
    if !group.starts_with('@') {
        return vec![group.to_owned()];
    }
    let listed = Command::new("systemd-analyze")
        .args(["syscall-filter", "--no-pager", group])
        .output()
        .unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    listed
        .lines()
        .map(str::trim)
        .skip(1)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .flat_map(members)
        .collect()
}

#[test]
fn wrong_settings_are_not_tried_again_and_a_stop_has_time_enough() {
    let unit = text("packaging/systemd/keyward.service");
    let value = |name: &str| {
        unit.lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_else(|| panic!("no {name}"))
            .to_owned()
    };
    assert_eq!(value("RestartPreventExitStatus="), "78");
    let stop: u32 = value("TimeoutStopSec=").parse().unwrap();
    assert!(stop > 10, "the server takes up to ten seconds");
    assert_eq!(value("Type="), "notify");
}

#[test]
fn nothing_in_memory_is_written_to_a_disk_under_systemd() {
    for unit in ["keyward.service", "keyward-backup.service"] {
        let unit = text(&format!("packaging/systemd/{unit}"));
        for line in ["LimitCORE=0", "MemorySwapMax=0", "MemoryZSwapMax=0"] {
            assert!(unit.lines().any(|found| found == line), "{line}");
        }
    }
}

#[test]
fn the_settings_that_packages_bring_are_settings() {
    let known = Home::new().run(&["settings", "--json"]).stdout;
    let known: serde_json::Value = serde_json::from_str(&known).unwrap();
    let names: BTreeSet<String> = known["items"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|item| [item["name"].as_str(), item["file"].as_str()])
        .flatten()
        .map(str::to_owned)
        .collect();
    let container = text("packaging/container/Containerfile");
    let set = container
        .lines()
        .filter_map(|line| line.strip_prefix("ENV "));
    let set: Vec<_> = set.flat_map(|line| line.split(' ')).collect();
    assert!(set.len() > 2);
    let compose = text("packaging/container/compose.yaml");
    let of_keyward = compose.split("\n  postgres:").next().unwrap();
    let environment = of_keyward.split("environment:").nth(1).unwrap();
    let environment = environment.split("secrets:").next().unwrap();
    let environment = environment
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let in_compose: Vec<_> = environment.map(|line| line.replace(':', "=")).collect();
    assert!(in_compose.len() > 4, "{in_compose:?}");
    let credentials = text("packaging/systemd/credentials.conf");
    let handed = credentials
        .lines()
        .filter_map(|line| line.strip_prefix("Environment="));
    let all = set.into_iter().chain(handed);
    for assignment in all.chain(in_compose.iter().map(String::as_str)) {
        let name = assignment.split('=').next().unwrap();
        assert!(names.contains(name), "{name} is no setting");
    }
    let toml = text("packaging/keyward.toml");
    for line in toml
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        let name = line.split(' ').next().unwrap().to_uppercase();
        assert!(names.contains(&name), "{name} is no setting");
    }
}

#[test]
fn the_container_has_no_root_no_shell_and_no_secret() {
    let container = text("packaging/container/Containerfile");
    let last = container.rsplit("\nFROM ").next().unwrap();
    assert!(last.starts_with("gcr.io/distroless/"), "{last}");
    assert!(last.contains("\nUSER 65532:65532\n"));
    assert!(!last.contains("\nRUN "), "there is no shell to run it");
    for secret in [
        "FIELD_ENCRYPTION_KEY",
        "SECRET_KEY",
        "DATABASE_URL",
        "REDIS_URL",
    ] {
        assert!(!container.contains(secret), "{secret}");
    }
    let compose = text("packaging/container/compose.yaml");
    let files = compose.rsplit("\nsecrets:\n").next().unwrap();
    for line in compose
        .lines()
        .filter(|line| line.contains("/run/secrets/"))
    {
        let name = line.rsplit('/').next().unwrap();
        assert!(files.contains(&format!("  {name}: {{ file: ")), "{name}");
    }
    for hardened in [
        "read_only: true",
        "cap_drop: [ALL]",
        "no-new-privileges:true",
    ] {
        assert!(compose.contains(hardened), "{hardened}");
    }
    // The probe is a command that there is.
    let probe = last.split("CMD [\"/usr/bin/keyward\", \"").nth(1).unwrap();
    let probe = probe.split('"').next().unwrap();
    let help = Home::new().run(&[probe, "--help"]);
    assert_eq!(help.code, 0, "{help:?}");
}

#[test]
fn the_debian_package_holds_the_binary_its_units_its_manual_and_its_settings() {
    let test = "the_debian_package";
    if !has(test, &["dpkg-deb", "dpkg", "bash", "gzip", "install"]) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let built = Command::new(file("packaging/debian/build"))
        .arg(env!("CARGO_BIN_EXE_keyward"))
        .arg(folder.path())
        // What is thrown away need not be small.
        .arg("none")
        .output()
        .unwrap();
    assert!(built.status.success(), "{built:?}");
    let package = String::from_utf8(built.stdout).unwrap();
    let list = |option: &str| {
        let listed = Command::new("dpkg-deb")
            .args([option, package.trim()])
            .output()
            .unwrap();
        assert!(listed.status.success(), "{listed:?}");
        String::from_utf8(listed.stdout).unwrap()
    };
    let contents = list("--contents");
    for unit in UNITS {
        assert!(
            contents.contains(&format!("./usr/lib/systemd/system/{unit}")),
            "{unit}"
        );
    }
    for path in [
        "-rwxr-xr-x root/root",
        "./usr/bin/keyward",
        "./etc/keyward/keyward.toml",
        "./usr/share/man/man1/keyward.1.gz",
        "./usr/share/man/man1/keyward-serve.1.gz",
        "./usr/share/bash-completion/completions/keyward",
        "./usr/lib/sysusers.d/keyward.conf",
        "./usr/share/doc/keyward/LICENSE-MIT",
    ] {
        assert!(contents.contains(path), "{path}\n{contents}");
    }
    let info = list("--info");
    for part in [
        "Package: keyward",
        "conffiles",
        "postinst",
        "Installed-Size: ",
    ] {
        assert!(info.contains(part), "{part}\n{info}");
    }
    assert!(
        !info.contains('@') || info.contains("keyward@localhost"),
        "{info}"
    );
}
