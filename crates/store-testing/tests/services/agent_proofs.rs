//! One agent proves to another, or to a person, who it is.

use std::sync::Arc;

use keyward_agents::{AgentProofs, VerifyError, Who};
use keyward_auth::{
    Any, CodeError, Delegation, GivenProof, Permit, ProofError, Purpose, User, UserId, UserKind,
    UserStatus,
};
use keyward_crypto::Signed;
use keyward_store_testing::MemoryStore;

use crate::world::World;

struct Pair {
    world: World,
    ada: Permit<Any>,
    ada_id: UserId,
    writer: Permit<Any>,
    writer_id: UserId,
}

impl Pair {
    fn new() -> Self {
        let world = World::new();
        let ada = world.add_user("ada", |_| {});
        let key = world.add_key(&ada, |_| {});
        let (_, parent) = world.add_agent(&key, "parent");
        let (writer_id, writer) = world.add_agent(&parent, "writer");
        Self {
            ada: world.permit(&key),
            ada_id: ada.id,
            writer: world.permit(&writer),
            writer_id,
            world,
        }
    }

    fn proofs(&self, require_audience: bool) -> AgentProofs<Arc<MemoryStore>> {
        AgentProofs::new(&self.world.environment(), require_audience)
    }

    /// A code of the writer for Ada.
    fn shown(&self, purpose: Option<&Purpose>) -> GivenProof {
        let ada = Who::new("ada");
        let shown = self.proofs(true).show(&self.writer, Some(&ada), purpose);
        shown.unwrap().code
    }
}

fn writer() -> Who {
    Who::new("agent_writer")
}

#[test]
fn a_code_shows_once_who_an_agent_is_and_where_it_comes_from() {
    let pair = Pair::new();
    let purpose = Purpose::parse("publish").unwrap();
    let code = pair.shown(Some(&purpose)).expose().to_owned();
    let verify = || {
        let code = GivenProof::parse(&code).unwrap();
        let purpose = Some(purpose.clone());
        pair.proofs(true)
            .verify(&pair.ada, &writer(), code, purpose)
    };

    let proven = verify().unwrap().unwrap();

    assert_eq!((proven.id, proven.owner_id), (pair.writer_id, pair.ada_id));
    assert!(proven.bound);
    assert_eq!(proven.purpose.as_deref(), Some("publish"));
    let lineage: Vec<_> = proven.lineage.iter().map(|above| &above.username).collect();
    assert_eq!(lineage, ["ada", "agent_parent"]);
    assert_eq!(verify().unwrap(), None);
}

#[test]
fn a_plain_code_is_given_and_accepted_only_where_no_audience_is_required() {
    let pair = Pair::new();
    let refused = pair.proofs(true).show(&pair.writer, None, None);
    assert!(matches!(refused, Err(VerifyError::AudienceRequired)));

    let plain = || {
        let shown = pair.proofs(false).show(&pair.writer, None, None);
        shown.unwrap().code
    };
    let purpose = Purpose::parse("publish").unwrap();
    let refused = pair
        .proofs(true)
        .verify(&pair.ada, &writer(), plain(), None);
    assert!(matches!(refused, Err(VerifyError::AudienceRequired)));
    let proven = (pair.proofs(false))
        .verify(&pair.ada, &writer(), plain(), Some(purpose))
        .unwrap()
        .unwrap();
    // Nobody knows what a plain code was made for.
    assert_eq!((proven.bound, proven.purpose), (false, None));
}

#[test]
fn a_code_has_a_purpose_only_together_with_an_audience() {
    let pair = Pair::new();
    let purpose = Purpose::parse("publish").unwrap();
    let refused = pair.proofs(false).show(&pair.writer, None, Some(&purpose));
    assert!(matches!(refused, Err(VerifyError::PurposeNeedsAudience)));

    let nobody = Who::new("agent_nobody");
    let refused = pair.proofs(false).show(&pair.writer, Some(&nobody), None);
    assert!(matches!(refused, Err(VerifyError::NoSuchAudience)));
    let ada = Who::new(&pair.ada_id.to_string());
    assert!(
        pair.proofs(false)
            .show(&pair.writer, Some(&ada), None)
            .is_ok()
    );
}

#[test]
fn people_have_no_such_codes() {
    let pair = Pair::new();
    let refused = pair.proofs(true).show(&pair.ada, Some(&writer()), None);
    let only_agents = VerifyError::Proof(ProofError::OnlyAgents).to_string();
    assert_eq!(refused.unwrap_err().to_string(), only_agents);

    for who in ["ada", "agent_nobody", "agent_parent"] {
        let (code, who) = (pair.shown(None), Who::new(who));
        let outcome = pair.proofs(true).verify(&pair.ada, &who, code, None);
        assert_eq!(outcome.unwrap(), None);
    }
}

#[test]
fn a_code_says_for_how_long_it_can_be_accepted() {
    let pair = Pair::new();
    let ada = Who::new("ada");
    // Until the end of the step after the one that it is of.
    for (advance, expires_in) in [(0, 48), (17, 31), (1, 60)] {
        pair.world.clock.advance(advance);
        let shown = pair.proofs(true).show(&pair.writer, Some(&ada), None);
        assert_eq!(shown.unwrap().expires_in, expires_in);
    }
}

#[test]
fn nobody_but_a_person_who_is_there_answers_for_an_agent_that_proves_who_it_is() {
    let pair = Pair::new();
    let eve = pair
        .world
        .add_user("eve", |user| user.status = UserStatus::Disabled);
    let robot = (pair.world).add_user("robot", |user| user.kind = UserKind::Agent);
    for (owner, is_proven) in [(eve.id, false), (robot.id, false), (pair.ada_id, true)] {
        let code = pair.shown(None);
        let mut agent = pair.world.stored_user(pair.writer_id);
        let before = agent.delegation;
        agent.delegation = before.map(|given| Delegation { owner, ..given });
        let put = |agent: User| {
            let signed = Signed::sign(agent, &pair.world.macs);
            pair.world.store.tamper(|rows| rows.put_user(signed));
        };
        put(agent.clone());
        let proven = pair.proofs(true).verify(&pair.ada, &writer(), code, None);
        assert_eq!(proven.unwrap().is_some(), is_proven);
        agent.delegation = before;
        put(agent);
    }
}

#[test]
fn ten_wrong_codes_lock_an_agent_for_one_receiver_and_the_audit_log_says_so() {
    let pair = Pair::new();
    let eve = pair.world.add_user("eve", |_| {});
    let eve = pair.world.permit(&pair.world.add_key(&eve, |_| {}));
    let before = pair.world.actions().len();
    for n in 1..=10 {
        // Of another receiver.
        let wrong = (pair.proofs(true))
            .show(&pair.writer, Some(&Who::new("agent_parent")), None)
            .unwrap()
            .code;
        let outcome = pair.proofs(true).verify(&pair.ada, &writer(), wrong, None);
        assert_eq!(outcome.unwrap(), None, "{n}");
        let said = pair.world.actions().split_off(before);
        let locks = said.iter().filter(|action| *action == "agent.proof-lock");
        assert_eq!(locks.count(), usize::from(n == 10), "{n}");
        assert!(said.iter().all(|action| action.starts_with("agent.")));
        pair.world.clock.advance(if n == 5 { 60 } else { 0 });
    }
    let details = pair.world.last_details();
    assert!(details.contains(&format!("\"verifier\":\"{}\"", pair.ada_id)));

    let code = pair.shown(None);
    let limited = pair.proofs(true).verify(&pair.ada, &writer(), code, None);
    let limit = VerifyError::Proof(ProofError::Code(CodeError::Limited(900)));
    assert_eq!(limited.unwrap_err().to_string(), limit.to_string());
    let shown = pair
        .proofs(true)
        .show(&pair.writer, Some(&Who::new("eve")), None);
    let proven = (pair.proofs(true)).verify(&eve, &writer(), shown.unwrap().code, None);
    assert!(proven.unwrap().is_some());
}
