use std::sync::mpsc::SyncSender;
use std::time::Instant;

use keyward_auth::AdviceName;
use redis::{Cmd, Value, cmd};

/// What Redis is asked, each with yes or no for an answer. No value is ever read, so whatever stands
/// in Redis says no more than that it is there.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    /// Is it said that this is limited?
    IsLimited(AdviceName),
    /// Say so for this many seconds.
    Limit(AdviceName, i64),
    /// Say so no longer.
    Withdraw(AdviceName),
    /// Was it unclaimed until now?
    Claim(AdviceName),
    /// Tell the listeners that keys have changed.
    KeysChanged,
}

/// Commands that belong together.
pub(crate) struct Task {
    pub(crate) commands: Vec<Command>,
    /// Who waits, if somebody does.
    pub(crate) waiting: Option<Waiting>,
}

/// Somebody who waits for an answer.
pub(crate) struct Waiting {
    /// From then on nobody does.
    pub(crate) until: Instant,
    pub(crate) answer: SyncSender<Vec<bool>>,
}

impl Task {
    pub(crate) fn is_stale(&self, now: Instant) -> bool {
        self.waiting
            .as_ref()
            .is_some_and(|waiting| waiting.until <= now)
    }
}

/// What everything of one installation is called, so that several can share a Redis.
#[derive(Clone, Debug)]
pub(crate) struct Names(String);

impl Names {
    pub(crate) fn of(installation: &str) -> Self {
        Self(format!("keyward:{installation}"))
    }

    pub(crate) fn channel(&self) -> String {
        format!("{}:keys", self.0)
    }

    fn limited(&self, name: &AdviceName) -> String {
        format!("{}:limited:{}", self.0, name.as_str())
    }

    fn claimed(&self, name: &AdviceName) -> String {
        format!("{}:claimed:{}", self.0, name.as_str())
    }
}

impl Command {
    pub(crate) fn encoded(&self, names: &Names) -> Cmd {
        match self {
            Self::IsLimited(name) => cmd("EXISTS").arg(names.limited(name)).take(),
            Self::Limit(name, seconds) => {
                let seconds = (*seconds).clamp(1, LONGEST_SECONDS);
                let key = names.limited(name);
                cmd("SET")
                    .arg(key)
                    .arg(SOMETHING)
                    .arg("EX")
                    .arg(seconds)
                    .take()
            }
            Self::Withdraw(name) => cmd("DEL").arg(names.limited(name)).take(),
            Self::Claim(name) => {
                let key = names.claimed(name);
                let set = cmd("SET").arg(key).arg(SOMETHING).take();
                set.clone().arg("EX").arg(CLAIMED_SECONDS).arg("NX").take()
            }
            Self::KeysChanged => cmd("PUBLISH").arg(names.channel()).arg(SOMETHING).take(),
        }
    }

    /// What an answer means. One that cannot be meant says as much as none.
    pub(crate) fn understood(&self, answer: &Value) -> bool {
        match self {
            Self::IsLimited(_) => matches!(answer, Value::Int(1)),
            Self::Claim(_) => !matches!(answer, Value::Nil),
            Self::Limit(..) | Self::Withdraw(_) | Self::KeysChanged => true,
        }
    }
}

/// Anything that is there is enough.
const SOMETHING: &str = "1";
/// The longest lock.
const LONGEST_SECONDS: i64 = 24 * 60 * 60;
/// Longer than a node leaves to others what they have claimed.
const CLAIMED_SECONDS: i64 = 10 * 60;

#[cfg(test)]
mod tests {
    use keyward_crypto::MacRing;

    use super::*;

    fn name() -> AdviceName {
        let macs = MacRing::parse(MacRing::generate_secret().expose()).unwrap();
        AdviceName::of(&macs, &[b"marker"])
    }

    fn sent(command: &Command, installation: &str) -> String {
        let packed = command
            .encoded(&Names::of(installation))
            .get_packed_command();
        String::from_utf8(packed).unwrap()
    }

    #[test]
    fn everything_of_an_installation_begins_with_its_name_and_ends_by_itself() {
        let (name, nothing) = (name(), String::new());
        let commands = [
            (Command::IsLimited(name.clone()), nothing.clone()),
            (
                Command::Limit(name.clone(), 60),
                "EX\r\n$2\r\n60".to_owned(),
            ),
            (
                Command::Limit(name.clone(), i64::MAX),
                "EX\r\n$5\r\n86400".to_owned(),
            ),
            (Command::Limit(name.clone(), -1), "EX\r\n$1\r\n1".to_owned()),
            (Command::Withdraw(name.clone()), nothing.clone()),
            (Command::Claim(name.clone()), "EX\r\n$3\r\n600".to_owned()),
            (Command::KeysChanged, nothing),
        ];
        for (command, holds) in commands {
            let text = sent(&command, "one");
            assert!(text.contains("keyward:one:"), "{text}");
            assert!(text.contains(&holds), "{text}");
            assert!(!text.contains("marker"), "{text}");
            assert_ne!(text, sent(&command, "other"));
        }
    }

    #[test]
    fn answers_that_cannot_be_meant_say_nothing() {
        let strange = [
            Value::Nil,
            Value::Int(7),
            Value::Int(-1),
            Value::Okay,
            Value::SimpleString("1".to_owned()),
            Value::BulkString(b"1".to_vec()),
            Value::Array(vec![Value::Int(1)]),
        ];
        let ask = Command::IsLimited(name());
        assert!(ask.understood(&Value::Int(1)));
        assert!(!ask.understood(&Value::Int(0)));
        for answer in &strange {
            assert!(!ask.understood(answer), "{answer:?}");
        }
        let claim = Command::Claim(name());
        assert!(!claim.understood(&Value::Nil), "somebody else has it");
        for answer in &strange[1..] {
            assert!(claim.understood(answer), "{answer:?}");
        }
    }
}
