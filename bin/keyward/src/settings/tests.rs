use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// A settings file and an environment, in a directory of their own.
pub(crate) struct World {
    dir: tempfile::TempDir,
    variables: Vec<(OsString, OsString)>,
}

impl World {
    pub(crate) fn new(toml: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("k.toml"), toml).unwrap();
        let world = Self {
            dir,
            variables: Vec::new(),
        };
        world.chmod(0o600);
        world
    }

    pub(crate) fn of(variables: &[(&str, &str)]) -> Self {
        variables
            .iter()
            .fold(Self::new(""), |world, (name, value)| world.set(name, value))
    }

    pub(crate) fn set(mut self, variable: &str, value: &str) -> Self {
        self.variables.push((variable.into(), value.into()));
        self
    }

    pub(crate) fn directory(&self) -> &Path {
        self.dir.path()
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("k.toml")
    }

    fn chmod(&self, mode: u32) {
        fs::set_permissions(self.path(), Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn load(&self) -> Result<Settings, SettingsError> {
        let environment = Environment::new(self.variables.clone())?;
        Settings::from_layers(&mut Layers::read(Some(&self.path()), environment)?)
    }

    /// The message of the error, with the directory left out.
    fn error(&self) -> String {
        let error = self.load().unwrap_err().to_string();
        error.replace(&format!("{}/", self.dir.path().display()), "")
    }
}

fn secret(source: Option<&SecretSource>) -> String {
    source.unwrap().read().unwrap().expose().to_owned()
}

#[test]
fn nothing_set_is_a_local_development_server() {
    let settings = World::new("").load().unwrap();
    assert_eq!(settings.mode, Mode::Development);
    assert_eq!(settings.bind.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.data_dir, Path::new("keyward-data"));
    assert_eq!(settings.credential_scope, CredentialScope::Global);
    assert_eq!(
        (settings.log.format, settings.log.directives.as_str()),
        (LogFormat::Text, "info")
    );
    assert!(!settings.debug && !settings.cors.is_open());
    assert!(settings.trusted_proxies.is_empty());
    assert!(settings.field_encryption_key.is_none() && settings.secret_key.is_none());
    assert_eq!(
        settings.database_url().unwrap().label(),
        "sqlite://keyward-data/keyward.db"
    );
}

#[test]
fn the_environment_overrides_the_file_and_the_file_the_defaults() {
    let toml = "bind = '127.0.0.1:1'\ndata_dir = 'd'\nsecret_key_file = 'from-file'";
    let world = World::new(toml)
        .set("BIND", "127.0.0.1:2")
        .set("SECRET_KEY", "from-environment");
    let settings = world.load().unwrap();
    assert_eq!(settings.bind.port(), 2);
    assert_eq!(settings.data_dir, Path::new("d"));
    assert_eq!(secret(settings.secret_key.as_ref()), "from-environment");
}

#[test]
fn an_empty_value_sets_nothing() {
    let toml = "bind = ''\ncors_origins = []\nsecret_key_file = ' '";
    let world = World::new(toml)
        .set("BIND", "")
        .set("SECRET_KEY", "")
        .set("DEBUG", "  ")
        .set("SECRET_KEY_FILE", "");
    let settings = world.load().unwrap();
    assert_eq!(settings.bind.port(), 8080);
    assert!(settings.secret_key.is_none());
    assert!(!settings.debug);
}

#[test]
fn codes_of_the_step_before_are_taken_unless_that_is_switched_off() {
    let window = |toml: &str, variable: &str| {
        let settings = World::new(toml).set("TOTP_SKEW", variable).load();
        settings.unwrap().totp_window
    };
    for (toml, variable, expected) in [
        ("", "", TotpWindow::WithPrevious),
        ("totp_skew = 1", "", TotpWindow::WithPrevious),
        ("totp_skew = 0", "", TotpWindow::Current),
        ("totp_skew = '0'", "", TotpWindow::Current),
        ("totp_skew = 0", "1", TotpWindow::WithPrevious),
        ("", " 0 ", TotpWindow::Current),
    ] {
        assert_eq!(window(toml, variable), expected, "{toml:?} {variable:?}");
    }
    for wrong in ["2", "-1", "99999999999999999999"] {
        let error = World::new("").set("TOTP_SKEW", wrong).error();
        assert!(error.contains("TOTP_SKEW"), "{error}");
        assert!(
            error.contains("0 or 1") || error.contains("whole number"),
            "{error}"
        );
    }
    let error = World::new("totp_skew = true").error();
    assert!(error.contains("must be a whole number"), "{error}");
}

#[test]
fn booleans_are_written_in_many_ways() {
    for (text, expected) in [
        ("1", true),
        ("True", true),
        ("YES", true),
        ("on", true),
        ("0", false),
        ("false", false),
        ("No", false),
        ("OFF", false),
    ] {
        assert_eq!(
            World::of(&[("DEBUG", text)]).load().unwrap().debug,
            expected,
            "{text}"
        );
    }
    for toml in ["debug = true", "debug = 1", "debug = 'yes'"] {
        assert!(World::new(toml).load().unwrap().debug, "{toml}");
    }
    insta::assert_snapshot!(
        World::of(&[("DEBUG", "2")]).error(),
        @r#"DEBUG must be true or false, not "2" (set by the environment variable DEBUG)"#
    );
    insta::assert_snapshot!(
        World::new("cors_allow_all_origins = 2").error(),
        @"CORS_ALLOW_ALL_ORIGINS must be true or false (set by `cors_allow_all_origins` in k.toml)"
    );
}

#[test]
fn lists_are_texts_with_commas_or_toml_lists() {
    let toml = "cors_origins = ['https://a.example', 'https://b.example:81']";
    let world = World::new(toml).set("TRUSTED_PROXIES", "10.0.0.0/8, ::1,");
    let settings = world.load().unwrap();
    assert_eq!(
        settings.cors.origins,
        ["https://a.example", "https://b.example:81"]
    );
    let proxies: Vec<_> = settings
        .trusted_proxies
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(proxies, ["10.0.0.0/8", "::1/128"]);

    insta::assert_snapshot!(
        World::of(&[("TRUSTED_PROXIES", "10.0.0.0/8,proxy")]).error(),
        @r#"TRUSTED_PROXIES has the entry "proxy", which is wrong: not an IP address, nor a range such as 10.0.0.0/8 (set by the environment variable TRUSTED_PROXIES)"#
    );
    insta::assert_snapshot!(
        World::of(&[("CORS_ORIGINS", "https://a.example/")]).error(),
        @r#"CORS_ORIGINS has the entry "https://a.example/", which is wrong: browsers would send it as https://a.example; write that (set by the environment variable CORS_ORIGINS)"#
    );
}

#[test]
fn proxies_that_are_nearly_everyone_are_refused() {
    for range in ["0.0.0.0/0", "0.0.0.0/1", "10.0.0.0/7", "::/0", "2000::/3"] {
        let proxies = format!("192.0.2.1,{range}");
        let error = World::of(&[("TRUSTED_PROXIES", &proxies)]).error();
        assert!(error.contains(range) && error.contains("wide"), "{error}");
    }
    let narrow = World::of(&[("TRUSTED_PROXIES", "10.0.0.0/8,fd00::/16")]);
    assert_eq!(narrow.load().unwrap().trusted_proxies.len(), 2);
}

#[test]
fn a_value_out_of_its_range_is_refused() {
    for (variable, value) in [
        ("KEYWARD_ENV", "prod"),
        ("KEYWARD_ENV", "Production"),
        ("BIND", "8080"),
        ("BIND", "localhost:8080"),
        ("CREDENTIAL_SCOPE", "user"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "loud"),
    ] {
        let error = World::of(&[(variable, value)]).error();
        assert!(error.contains(variable) && error.contains(value), "{error}");
    }
}

#[test]
fn unknown_names_are_refused_with_the_nearest_known_one() {
    insta::assert_snapshot!(
        World::of(&[("KEYWARD_ENVV", "x")]).error(),
        @"the environment variable KEYWARD_ENVV is not a setting (did you mean KEYWARD_ENV?); correct its name or remove it"
    );
    insta::assert_snapshot!(
        World::new("secret_keys = 'marker'").error(),
        @"`secret_keys` in k.toml is not a setting (did you mean `secret_key`?); correct its name or remove it"
    );
    insta::assert_snapshot!(
        World::new("[database]\nurl = 'marker'").error(),
        @"`database` in k.toml is not a setting; correct its name or remove it"
    );
    assert!(
        World::of(&[("REDIS_URL", "redis://x"), ("PATH", "/bin")])
            .load()
            .is_ok()
    );
}

#[test]
fn a_secret_and_its_file_in_one_place_are_refused() {
    insta::assert_snapshot!(
        World::of(&[("SECRET_KEY", "marker"), ("SECRET_KEY_FILE", "/f")]).error(),
        @"the environment variable SECRET_KEY and the environment variable SECRET_KEY_FILE are both set; keep the one that holds and remove the other"
    );
    insta::assert_snapshot!(
        World::new("database_url = 'marker'\ndatabase_url_file = '/f'").error(),
        @"`database_url` in k.toml and `database_url_file` in k.toml are both set; keep the one that holds and remove the other"
    );
}

#[test]
fn no_message_holds_a_secret() {
    let marker = "MARKER-Zx9";
    let worlds = [
        // The parser's own message shows the line.
        World::new(&format!("secret_key = '{marker}")),
        World::new(&format!("secret_key = {marker}")),
        World::new(&format!("secret_key = ['{marker}']")),
        World::new(&format!("secret_key = '{marker}'\nsecret_key = '{marker}'")),
        World::new(&format!("database_url = {{ password = '{marker}' }}")),
        World::of(&[("KEYWARD_SECRET_KEY", marker)]),
        World::of(&[("SECRET_KEY", marker), ("SECRET_KEY_FILE", marker)]),
    ];
    for world in worlds {
        let error = world.load().unwrap_err();
        let texts = format!("{error} {error:?} {}", world.error());
        assert!(!texts.contains(marker), "{texts}");
    }
    let settings = World::of(&[
        ("SECRET_KEY", marker),
        ("FIELD_ENCRYPTION_KEY", marker),
        (
            "DATABASE_URL",
            &format!("postgres://u:{marker}@db.example/x?sslmode=disable"),
        ),
    ]);
    let settings = settings.load().unwrap();
    let shown = format!("{settings:?} {}", settings.database_url().unwrap_err());
    assert!(!shown.contains(marker), "{shown}");
}

#[test]
fn broken_toml_is_told_with_its_position() {
    insta::assert_snapshot!(
        World::new("debug = true\nbind = 127.0.0.1").error(),
        @"the settings file k.toml is not valid TOML: look at line 2, column 13"
    );
}

#[test]
fn a_number_is_no_secret() {
    // `config` would make "123" of it.
    insta::assert_snapshot!(
        World::new("secret_key = 0123").error(),
        @"the settings file k.toml is not valid TOML: look at line 1, column 14"
    );
    insta::assert_snapshot!(
        World::new("secret_key = 123").error(),
        @"SECRET_KEY must be a text in quotation marks (set by `secret_key` in k.toml)"
    );
    let zeros = World::of(&[("SECRET_KEY", "00123")]).load().unwrap();
    assert_eq!(secret(zeros.secret_key.as_ref()), "00123");
}

#[test]
fn a_settings_file_with_a_key_belongs_to_its_owner_alone() {
    let world = World::new("secret_key = 'marker'");
    world.chmod(0o644);
    insta::assert_snapshot!(
        world.error(),
        @"the settings file k.toml holds `secret_key`, and other users can access the file (mode 0644); run `chmod 600 k.toml`, or keep the key in a file of its own and name that with `secret_key_file`"
    );
    world.chmod(0o600);
    assert!(world.load().is_ok());

    let open = World::new("secret_key_file = 'f'");
    open.chmod(0o644);
    assert!(open.load().is_ok());
}

#[test]
fn a_named_settings_file_must_exist() {
    let environment = Environment::new([]).unwrap();
    let missing = Path::new("/nonexistent/k.toml");
    assert!(Layers::read(Some(missing), environment).is_err());
}

#[test]
fn a_variable_that_is_no_text_is_refused_by_name() {
    let bytes = OsString::from_vec(vec![0x66, 0xff]);
    let mut world = World::new("");
    world.variables.push(("SECRET_KEY".into(), bytes));
    assert_eq!(
        world.error(),
        "the environment variable SECRET_KEY is not valid UTF-8"
    );
}

#[test]
fn production_has_no_default_database() {
    let settings = World::of(&[("KEYWARD_ENV", "production")]).load().unwrap();
    assert!(matches!(
        settings.database_url(),
        Err(DatabaseUrlProblem::Missing)
    ));
}
