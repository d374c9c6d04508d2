//! `keyward man`.

use crate::sandbox::Sandbox;

/// `KEYWARD_WRITE=1` writes the page anew.
#[test]
fn the_page_of_all_settings_is_what_the_binary_prints() {
    let ran = Sandbox::new().run(&["settings", "--format", "markdown"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    if std::env::var_os("KEYWARD_WRITE").is_some() {
        std::fs::write(page, &ran.stdout).unwrap();
    }
    let there = std::fs::read_to_string(page).unwrap_or_default();
    assert!(
        there == ran.stdout,
        "docs/configuration.md is not up to date: `keyward settings --format markdown > docs/configuration.md`"
    );
    let text = Sandbox::new().run(&["settings"]).stdout;
    assert!(text.contains("DATABASE_URL, DATABASE_URL_FILE"), "{text}");
    let json = Sandbox::new().run(&["settings", "--json"]).stdout;
    assert!(json.contains("\"default\":\"127.0.0.1:8080\""), "{json}");
}

#[test]
fn there_is_a_page_for_each_command_with_exit_codes_and_settings() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["man"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for part in [
        "NAME",
        "SYNOPSIS",
        "EXIT STATUS",
        "ENVIRONMENT",
        "FILES",
        "DATABASE_URL",
        "69",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    let ran = sandbox.run(&["man", "--out-dir", "pages"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let mut pages: Vec<_> = std::fs::read_dir(sandbox.path("pages"))
        .unwrap()
        .map(|page| page.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort_unstable();
    for page in [
        "keyward.1",
        "keyward-serve.1",
        "keyward-credential-add.1",
        "keyward-api-key-revoke.1",
        "keyward-audit-export.1",
        "keyward-backup-restore-key.1",
    ] {
        assert!(
            pages.contains(&page.to_owned()),
            "{page} is missing: {pages:?}"
        );
    }
    let export = std::fs::read_to_string(sandbox.path("pages/keyward-audit-export.1")).unwrap();
    assert!(
        export.contains("keyward audit export"),
        "its example: {export}"
    );
}
