//! `/auth/token` and `/auth/logout`: passwords, and what their answers must not tell.

use std::collections::BTreeMap;

use serde_json::json;

use crate::coverage::unprotected;
use crate::keys::works;
use crate::world::{Answer, PASSWORD, World, settled};

#[actix_web::test]
async fn a_password_gives_a_key_for_twelve_hours() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let answer = world.login("ADA", PASSWORD).await;
        assert_eq!(unprotected(&answer), None);
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(settled(&answer.json()), @r#"
            {
              "expires_at": "2027-01-15T20:00:00Z",
              "key": "[login key]",
              "requires_mfa": false
            }
            "#);
        }
        let session = world.presented(&answer).await;
        assert_eq!(session.id, ada.id);
        let me = world.get("/auth/me").by(&session).await.json();
        assert_eq!(me["key"]["expires_at"], answer.json()["expires_at"]);
        let of_key = world.get("/auth/me").by(&ada).await.json();
        assert_eq!(me["key"]["scopes"], of_key["key"]["scopes"]);
        assert!(!world.rows().contains(&session.key[10..]));

        for _ in 0..23 {
            world.clock.advance(1_800);
            assert!(works(&world, &session.key).await, "{}", world.name);
        }
        world.clock.advance(1_799);
        assert!(works(&world, &session.key).await, "{}", world.name);
        world.clock.advance(1);
        assert!(!works(&world, &session.key).await, "{}", world.name);
        assert!(works(&world, &ada.key).await, "{}", world.name);
    }
}

#[actix_web::test]
async fn an_administrator_logs_in_with_the_scopes_of_one() {
    let world = World::new().await;
    let session = world.session("root").await;
    assert_eq!(world.get("/users").by(&session).await.status, 200);
    assert_eq!(world.get("/audit").by(&session).await.status, 200);
}

#[actix_web::test]
async fn logging_out_ends_the_presented_key_and_no_other() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let (one, other) = (world.session("ada").await, world.session("ada").await);
        let events = world.events();
        let answer = world.post("/auth/logout").by(&one).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
        assert_eq!(world.events(), events + 1, "{}", world.name);
        assert!(!works(&world, &one.key).await, "{}", world.name);
        let again = world.post("/auth/logout").by(&one).await;
        again.is_problem(401, "unauthenticated");
        for key in [&other.key, &ada.key, &world.admin.key] {
            assert!(works(&world, key).await, "{}", world.name);
        }
        assert_eq!(world.post("/auth/logout").by(&ada).await.status, 204);
        assert!(!works(&world, &ada.key).await, "{}", world.name);
        assert!(works(&world, &other.key).await, "{}", world.name);
    }
}

/// CVE-2025-6011, CVE-2025-54999: who exists could be told from what a login cost.
#[actix_web::test]
async fn nobody_can_tell_why_a_login_was_rejected() {
    for world in World::on_every_store().await {
        world.person("ada").await;
        world.agent("agent_a_b").await;
        world.administrator("eve").await;
        world.person_with_mfa("mfa").await;
        let disabled = world.person("disabled").await;
        let path = format!("/users/{}", disabled.id);
        let body = json!({ "status": "disabled" });
        let answer = world.patch(&path).by(&world.admin).json(&body).await;
        assert_eq!(answer.status, 200);
        let deleted = world.person("deleted").await;
        let path = format!("/users/{}", deleted.id);
        assert_eq!(world.delete(&path).by(&world.admin).await.status, 204);

        let classes = [
            ("nobody", PASSWORD),
            ("nobody2", WRONG),
            ("ada", WRONG),
            ("mfa", WRONG),
            ("eve", ""),
            ("disabled", PASSWORD),
            ("deleted", PASSWORD),
            ("agent_a_b", PASSWORD),
        ];
        let mut seen = BTreeMap::new();
        for (username, password) in classes {
            let events = world.events();
            for attempt in 1..=7 {
                let hashed = world.hashing.hashed();
                let answer = world.login(username, password).await;
                let cost = world.hashing.hashed() - hashed;
                let expected = match attempt {
                    1..=5 => (401, "login-rejected", 1),
                    _ => (429, "too-many-attempts", 0),
                };
                let got = (answer.status.as_u16(), &*answer.problem(), cost);
                assert_eq!(got, expected, "{}: {username}", world.name);
                assert_eq!(unprotected(&answer), None);
                let first = seen
                    .entry(answer.status)
                    .or_insert_with(|| visible(&answer));
                assert_eq!(*first, visible(&answer), "{}: {username}", world.name);
            }
            assert_eq!(world.events(), events, "{}: {username}", world.name);
        }
        let rejected = &seen.values().next().unwrap().0;
        assert!(rejected.contains(&("www-authenticate".to_owned(), "Bearer".to_owned())));
        let limited = &seen.values().last().unwrap().0;
        assert!(limited.contains(&("retry-after".to_owned(), "60".to_owned())));
    }
}

/// The lock writes an event, for names of nobody too.
#[actix_web::test]
async fn nobody_can_tell_who_exists_from_a_lock() {
    for world in World::on_every_store().await {
        world.person("ada").await;
        let mut seen = Vec::new();
        for username in ["ada", "nobody"] {
            let events = world.events();
            for _ in 0..2 {
                for _ in 0..5 {
                    let answer = world.login(username, WRONG).await;
                    answer.is_problem(401, "login-rejected");
                }
                world.clock.advance(60);
            }
            let locked = world.login(username, PASSWORD).await;
            locked.is_problem(429, "too-many-attempts");
            assert_eq!(locked.header("retry-after"), Some("840"));
            assert_eq!(world.events(), events + 1, "{}", world.name);
            seen.push(visible(&locked));
        }
        assert_eq!(seen[0], seen[1], "{}", world.name);
    }
}

#[actix_web::test]
async fn what_is_no_user_name_is_400_and_costs_nothing() {
    let world = World::new().await;
    let long = "a".repeat(65);
    let hashed = world.hashing.hashed();
    for name in [
        "",
        " ada",
        "ada ",
        "a da",
        "ada\0",
        "ada\n",
        ".ada",
        "-ada",
        "\u{202e}ada",
        "а",
        "аdа",
        "admіn",
        "ada\u{200d}",
        "ada/..",
        "ada'--",
        "ada%00",
        &long,
    ] {
        let answer = world.login(name, PASSWORD).await;
        answer.is_problem(400, "malformed");
        assert!(name.is_empty() || !answer.text().contains(name), "{name:?}");
    }
    let too_long = world.login("ada", &"x".repeat(1_025)).await;
    too_long.is_problem(422, "invalid");
    assert_eq!(too_long.fields(), ["password"]);
    assert_eq!(world.hashing.hashed(), hashed);
}

/// CVE-2025-6004, CVE-2025-54998: another spelling of a name had a budget of its own.
#[actix_web::test]
async fn all_spellings_of_a_name_share_one_budget() {
    for world in World::on_every_store().await {
        world.person(NAME).await;
        for _ in 0..5 {
            let answer = world.login(NAME, WRONG).await;
            answer.is_problem(401, "login-rejected");
        }
        let all = spellings();
        assert!(all.len() >= 500, "{}", all.len());
        let hashed = world.hashing.hashed();
        let mut same = Vec::new();
        for spelling in &all {
            let answer = world.login(spelling, PASSWORD).await;
            match answer.status.as_u16() {
                400 => answer.is_problem(400, "malformed"),
                429 => same.push(spelling),
                _ => panic!("{}: {spelling:?} got through: {answer:?}", world.name),
            }
        }
        assert_eq!(world.hashing.hashed(), hashed, "{}", world.name);
        assert!(same.len() > 50 && same.len() + 50 < all.len());

        // These are the same name, so from where nobody has tried they lead to the same person.
        for (n, spelling) in same.into_iter().enumerate().step_by(20) {
            let login = world.login(spelling, PASSWORD);
            let answer = login.from(&format!("198.51.100.{}", n % 200)).await;
            assert_eq!(answer.status, 200, "{}: {spelling:?}", world.name);
        }
    }
}

/// A dot can be part of a name, so this is another one, and not a way to the first.
#[actix_web::test]
async fn a_name_with_a_dot_more_is_another_name() {
    let world = World::new().await;
    world.person("ada").await;
    for name in ["ada.", "ada..", "a.da", "ada-"] {
        let answer = world.login(name, PASSWORD).await;
        answer.is_problem(401, "login-rejected");
    }
}

/// What somebody can see of an answer, but for what names the request.
pub(crate) fn visible(answer: &Answer) -> (Vec<(String, String)>, String) {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .filter(|(name, _)| !["x-request-id", "date"].contains(&&**name))
        .collect();
    headers.sort_unstable();
    (headers, answer.text())
}

/// Texts that somebody could take for [`NAME`].
fn spellings() -> Vec<String> {
    let mut all = vec![
        "jos\u{e9}.strasse".to_owned(),
        "jose\u{301}.strasse".to_owned(),
        "JOS\u{c9}.STRASSE".to_owned(),
        "JOSE\u{301}.STRASSE".to_owned(),
        "jos\u{e9}.stra\u{df}e".to_owned(),
        "jos\u{e9}.STRA\u{1e9e}E".to_owned(),
    ];
    let letters: Vec<char> = NAME.chars().collect();
    let with = |place: usize, text: &str| {
        let mut spelled: Vec<String> = letters.iter().map(char::to_string).collect();
        text.clone_into(&mut spelled[place]);
        spelled.concat()
    };
    for (place, letter) in letters.iter().enumerate() {
        all.push(with(place, &letter.to_uppercase().to_string()));
        for (offset, first) in [
            (0xfee0, ' '),
            (0x1d3b9, 'a'),
            (0x1d3ed, 'a'),
            (0x1d559, 'a'),
        ] {
            let other = char::from_u32(u32::from(*letter) + offset);
            let latin = letter.is_ascii_lowercase() || first == ' ' && letter.is_ascii();
            all.extend(
                other
                    .filter(|_| latin)
                    .map(|other| with(place, &other.to_string())),
            );
        }
        all.extend(
            homoglyphs(*letter)
                .chars()
                .map(|other| with(place, &other.to_string())),
        );
        for unseen in UNSEEN {
            all.push(with(place, &format!("{letter}{unseen}")));
            all.push(with(place, &format!("{unseen}{letter}")));
        }
    }
    // Any two letters in upper case, or in full width.
    let upper = |letter: char| letter.to_uppercase().to_string();
    let wide = |letter: char| match letter {
        '!'..='~' => char::from_u32(u32::from(letter) + 0xfee0).unwrap().into(),
        other => other.to_string(),
    };
    for one in 0..letters.len() {
        for other in 0..one {
            let spelled = |change: &dyn Fn(char) -> String| -> String {
                let places = letters.iter().enumerate();
                places
                    .map(|(place, letter)| {
                        if [one, other].contains(&place) {
                            change(*letter)
                        } else {
                            letter.to_string()
                        }
                    })
                    .collect()
            };
            all.extend([spelled(&upper), spelled(&wide)]);
        }
    }
    all.sort_unstable();
    all.dedup();
    all.retain(|spelling| spelling != NAME);
    all
}

/// Letters of other scripts that look like this one.
fn homoglyphs(letter: char) -> &'static str {
    match letter {
        'j' => "јϳ",
        'o' => "оοօ",
        's' => "ѕ",
        'a' => "аα",
        'e' => "еҽ",
        'r' => "г",
        't' => "т",
        _ => "",
    }
}

const NAME: &str = "jos\u{e9}.strasse";
const WRONG: &str = "wrong horse battery staple";
/// Space, control, zero width, direction, variation, soft hyphen, byte order mark, Hangul filler.
const UNSEEN: [&str; 27] = [
    " ",
    "\t",
    "\n",
    "\0",
    "\u{a0}",
    "\u{200b}",
    "\u{200c}",
    "\u{200d}",
    "\u{200e}",
    "\u{200f}",
    "\u{202e}",
    "\u{2028}",
    "\u{2060}",
    "\u{2067}",
    "\u{3000}",
    "\u{fe0f}",
    "\u{ad}",
    "\u{feff}",
    "\u{3164}",
    "\u{85}",
    "\u{180e}",
    "\u{202a}",
    "\u{2066}",
    "\u{2009}",
    "\u{7f}",
    "\u{e0001}",
    "\u{34f}",
];
