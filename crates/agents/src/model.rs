use keyward_auth::{Purpose, User, UserId};
use keyward_core::Timestamp;
use keyward_crypto::{MacPurpose, Signable, Signed};

use crate::Lineage;

/// What is kept of an agent beside its user.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentRecord {
    /// Where it stands. Its last id is that of the agent's user.
    pub lineage: Lineage,
    /// The person or the agent that made it.
    pub creator: UserId,
    /// What it is for, in its creator's words.
    pub purpose: Option<Purpose>,
    /// Since when it is frozen itself. It is frozen as well while one above it is, which is noted
    /// at its user only.
    pub frozen_at: Option<Timestamp>,
}

/// The purpose is not covered: it decides nothing.
impl Signable for AgentRecord {
    const PURPOSE: MacPurpose = MacPurpose::AgentRow;

    fn with_parts<R>(&self, work: impl FnOnce(&[&[u8]]) -> R) -> R {
        let lineage = self.lineage.to_string();
        let frozen_at = self.frozen_at.map(|at| at.0.to_be_bytes());
        work(&[
            lineage.as_bytes(),
            self.creator.as_bytes(),
            frozen_at.as_ref().map_or(&[], <[u8; 8]>::as_slice),
        ])
    }
}

/// An agent with its user, as one question finds them.
#[derive(Clone, Debug)]
pub struct Agent {
    /// What makes it an agent.
    pub record: Signed<AgentRecord>,
    /// Its user.
    pub user: Signed<User>,
}

#[cfg(test)]
mod tests {
    use keyward_crypto::MacRing;

    use super::*;

    // The expected values were computed in Python from the definitions in docs/formats.md.
    #[test]
    fn the_mac_of_an_agent_row_is_the_documented_one() {
        let macs = MacRing::parse("Yk3v9QpZ7tLwXr2NfBhGmCs5DjUa8eKo4iTyVx6RlWz").unwrap();
        for (frozen_at, expected) in [
            (
                Some(Timestamp(1_800_000_000)),
                "b75c0c4eefa6817b.ed1f294aa5b86d8dce1fca0f2c6bc616037dccf8e3c77f3103ca8ec1139734ea",
            ),
            (
                None,
                "b75c0c4eefa6817b.07dd872a27179e0c418b1e8c9af5538bf6e3f15a24ca80bfabd9dbee999d3f59",
            ),
        ] {
            let record = AgentRecord {
                lineage: Lineage::from_stored(
                    "01890a5d-7e8f-7c3d-a1b2-c3d4e5f60719/01890a5d-7e8f-7c3d-a1b2-c3d4e5f6071a",
                )
                .unwrap(),
                creator: UserId::parse("01890a5d-7e8f-7c3d-a1b2-c3d4e5f60718").unwrap(),
                purpose: None,
                frozen_at,
            };
            let mac = Signed::sign(record, &macs).mac().as_stored();
            assert_eq!(mac, expected, "{frozen_at:?}");
        }
    }

    #[test]
    fn rows_are_signed_as_the_vectors_say() {
        let vectors = include_str!("../../../docs/vectors/row-macs.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
        let macs = MacRing::danger_parse_any(vectors["secret_key"].as_str().unwrap()).unwrap();
        for (list, at_least) in [("valid", 2), ("invalid", 4)] {
            let cases = vectors[list].as_array().unwrap().iter();
            let cases: Vec<_> = cases.filter(|case| case["row"] == "agent-row").collect();
            assert!(cases.len() >= at_least);
            for case in cases {
                let columns = &case["columns"];
                let record = AgentRecord {
                    lineage: Lineage::from_stored(columns["lineage"].as_str().unwrap()).unwrap(),
                    creator: UserId::parse(columns["creator"].as_str().unwrap()).unwrap(),
                    purpose: None,
                    frozen_at: columns["frozen_since"].as_i64().map(Timestamp),
                };
                let mac = keyward_crypto::Mac::from_stored(case["mac"].as_str().unwrap());
                let signed = Signed::from_stored(record, mac.unwrap());
                assert_eq!(signed.is_genuine(&macs), list == "valid", "{case}");
            }
        }
    }
}
