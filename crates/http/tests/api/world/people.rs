use keyward_crypto::TotpSecret;
use serde_json::{Value, json};

use super::{Answer, Ask, Caller, PASSWORD, World, id_of};

/// An authenticator app, and the recovery codes beside it.
pub(crate) struct Device {
    pub(crate) secret: TotpSecret,
    pub(crate) recovery: Vec<String>,
}

impl Device {
    /// What the app shows now.
    pub(crate) fn code(&self, world: &World) -> String {
        self.code_at(world, 0)
    }

    /// What it shows in so many seconds.
    pub(crate) fn code_at(&self, world: &World, seconds: i64) -> String {
        let code = self.secret.code_at(world.now().0.saturating_add(seconds));
        code.expose().to_owned()
    }

    /// A code that is neither that of now nor one of the minutes around.
    pub(crate) fn wrong_code(&self, world: &World) -> String {
        let near: Vec<_> = (-4..=4).map(|n| self.code_at(world, n * 30)).collect();
        let candidates = (0..).map(|n: u32| format!("{n:06}"));
        candidates
            .into_iter()
            .find(|code| !near.contains(code))
            .unwrap()
    }
}

impl World {
    /// The first step of a login.
    pub(crate) fn login(&self, username: &str, password: &str) -> Ask {
        let body = json!({ "username": username, "password": password });
        self.post("/auth/token").json(&body)
    }

    /// The second step with a code.
    pub(crate) fn second_step(&self, ticket: &str, code: &str) -> Ask {
        let body = json!({ "ticket": ticket, "code": code });
        self.post("/auth/mfa/login-verify").json(&body)
    }

    /// The second step with a recovery code.
    pub(crate) fn recover(&self, ticket: &str, code: &str) -> Ask {
        let body = json!({ "ticket": ticket, "recovery_code": code });
        self.post("/auth/mfa/login-verify").json(&body)
    }

    /// A ticket of somebody who has a second factor.
    pub(crate) async fn ticket(&self, username: &str) -> String {
        let answer = self.login(username, PASSWORD).await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", self.name);
        text(&answer.json()["ticket"])
    }

    /// A session of somebody who has no second factor.
    pub(crate) async fn session(&self, username: &str) -> Caller {
        self.presented(&self.login(username, PASSWORD).await).await
    }

    /// A session of somebody who has one. The code of now must be unused; the next one is when
    /// this is done.
    pub(crate) async fn session_with(&self, username: &str, device: &Device) -> Caller {
        let ticket = self.ticket(username).await;
        let answer = self.second_step(&ticket, &device.code(self)).await;
        self.clock.advance(30);
        self.presented(&answer).await
    }

    /// Whoever has the key that an answer shows.
    pub(crate) async fn presented(&self, answer: &Answer) -> Caller {
        assert_eq!(answer.status, 200, "{}: {answer:?}", self.name);
        let key = text(&answer.json()["key"]);
        let me = self.get("/auth/me").key(&key).await;
        assert_eq!(me.status, 200, "{}: {me:?}", self.name);
        Caller {
            id: id_of(&me.json()).to_owned(),
            key_id: id_of(&me.json()["key"]).to_owned(),
            key,
        }
    }

    /// Asks for a new secret, which waits for its first code.
    pub(crate) async fn pending(&self, by: &Caller) -> Device {
        let answer = self.mfa("setup", by, &json!({})).await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", self.name);
        Device {
            secret: TotpSecret::from_base32(&text(&answer.json()["secret"])).unwrap(),
            recovery: Vec::new(),
        }
    }

    /// Gives somebody a second factor. When this is done the next code is unused, and the one that
    /// took the app into use is no recent proof any more.
    pub(crate) async fn enrol(&self, by: &Caller) -> Device {
        let mut device = self.pending(by).await;
        let body = json!({ "code": device.code(self) });
        let answer = self.mfa("verify", by, &body).await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", self.name);
        device.recovery = texts(&answer.json()["recovery_codes"]);
        self.clock.advance(5 * 60);
        device
    }

    /// A person with a second factor: an API key that has shown nothing, and the app.
    pub(crate) async fn person_with_mfa(&self, username: &str) -> (Caller, Device) {
        let person = self.person(username).await;
        let device = self.enrol(&person).await;
        (person, device)
    }

    /// A request to `/auth/mfa/…`.
    pub(crate) fn mfa(&self, what: &str, by: &Caller, body: &Value) -> Ask {
        self.post(&format!("/auth/mfa/{what}")).by(by).json(body)
    }

    /// A request to `/auth/step-up` with a code.
    pub(crate) fn step_up(&self, by: &Caller, code: &str) -> Ask {
        let body = json!({ "code": code });
        self.post("/auth/step-up").by(by).json(&body)
    }
}

/// The text that a member is.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The texts that a member is a list of.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(text).collect()
}
