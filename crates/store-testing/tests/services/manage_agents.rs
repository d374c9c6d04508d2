//! Who makes agents, for whom they are there, and what their keys can do.

use keyward_agents::{AgentError, AgentRecord, Agents as _, MAX_DEPTH, NewAgent, TreeChange, Who};
use keyward_auth::{
    ApiKeyRecord, ApiKeys as _, Denied, Host, Scope, Scopes, User, UserId, UserStatus,
};
use keyward_core::{Store as _, Timestamp};
use keyward_crypto::{ApiKey, ApiKeyKind, Signed};

use crate::world::{NOW, World, is_corrupt, new_agent};

fn scopes(list: &[Scope]) -> Scopes {
    list.iter().copied().collect()
}

fn person(world: &World, name: &str) -> (User, ApiKey) {
    let user = world.add_user(name, |_| {});
    let key = world.add_key(&user, |_| {});
    (user, key)
}

fn stored_key(world: &World, key: &ApiKey) -> Signed<ApiKeyRecord> {
    let found = world.store.read(|tx| tx.key_with_owner(key.id()));
    found.unwrap().unwrap().key
}

#[test]
fn an_agent_belongs_to_the_person_who_made_it_or_its_maker() {
    let world = World::new();
    let (ada, key) = person(&world, "ada");
    let (parent, parent_key) = world.add_agent(&key, "parent");
    let (child, _) = world.add_agent(&parent_key, "child");

    let permit = world.permit(&key);
    let parent_view = world.agents().agent(&permit, parent).unwrap();
    assert_eq!(parent_view.username, "agent_parent");
    assert_eq!(
        (parent_view.owner_id, parent_view.created_by_id),
        (Some(ada.id), ada.id)
    );
    assert!(parent_view.lineage.is_empty());
    let child_view = world.agents().agent(&permit, child).unwrap();
    assert_eq!(
        (child_view.owner_id, child_view.created_by_id),
        (Some(ada.id), parent)
    );
    assert_eq!(child_view.lineage, [parent]);
}

#[test]
fn an_agent_is_there_for_its_owner_for_administrators_and_for_those_above_it() {
    let world = World::new();
    let (_, ada) = person(&world, "ada");
    let (_, eve) = person(&world, "eve");
    let root = world.add_admin("root");
    let root = world.add_key(&root, |_| {});
    let (parent, parent_key) = world.add_agent(&ada, "parent");
    let (child, child_key) = world.add_agent(&parent_key, "child");
    let (other, _) = world.add_agent(&eve, "other");

    for (key, seen) in [
        (&ada, vec![parent, child]),
        (&eve, vec![other]),
        (&root, vec![parent, child, other]),
        (&parent_key, vec![child]),
        (&child_key, vec![]),
    ] {
        let permit = world.permit(key);
        let views = world.agents().list(&permit, None, 10).unwrap();
        let listed: Vec<UserId> = views.iter().map(|view| view.id).collect();
        assert_eq!(listed, seen);
        for agent in [parent, child, other] {
            let found = world.agents().agent(&permit, agent);
            assert_eq!(found.is_ok(), seen.contains(&agent));
            let rotated = world.agents().rotate_key(&permit, agent, 600, None);
            match rotated {
                Ok(_) => assert!(seen.contains(&agent)),
                Err(AgentError::NotFound) => assert!(!seen.contains(&agent)),
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert_eq!(world.agents().list(&Host, None, 10).unwrap().len(), 3);
}

#[test]
fn an_agent_is_found_by_its_id_and_by_its_name_until_it_is_revoked() {
    let world = World::new();
    let (_, ada) = person(&world, "ada");
    let (id, _) = world.add_agent(&ada, "writer");
    let (other, _) = world.add_agent(&ada, "reader");
    let permit = world.permit(&ada);
    let find = |text: &str| world.agents().find(&permit, &Who::new(text));

    assert_eq!(find(&id.to_string()).unwrap().id, id);
    assert_eq!(find("agent_writer").unwrap().id, id);
    assert_eq!(find("agent_reader").unwrap().id, other);
    for nobody in [UserId::generate().to_string().as_str(), "agent_x", "", "?"] {
        assert!(
            matches!(find(nobody), Err(AgentError::NotFound)),
            "{nobody}"
        );
    }

    let agents = world.agents();
    agents.change_tree(&permit, id, TreeChange::Revoke).unwrap();
    assert!(matches!(find(&id.to_string()), Err(AgentError::NotFound)));
    let gone = world.agents().agent(&permit, id);
    assert!(matches!(gone, Err(AgentError::NotFound)));
    let gone = world.agents().rotate_key(&permit, id, 0, None);
    assert!(matches!(gone, Err(AgentError::NotFound)));
    assert_eq!(world.agents().list(&permit, None, 10).unwrap().len(), 1);
}

#[test]
fn only_a_person_who_is_there_gets_an_agent_on_the_host() {
    let world = World::new();
    let (ada, key) = person(&world, "ada");
    let (agent, _) = world.add_agent(&key, "writer");
    let disabled = world.add_user("eve", |user| user.status = UserStatus::Disabled);
    let create = |owner, name| world.agents().create_for(Host, owner, &new_agent(name));

    for owner in [agent, disabled.id, UserId::generate()] {
        let outcome = create(owner, "helper");
        assert!(matches!(outcome, Err(AgentError::NoOwner)));
    }
    let (made, key) = create(ada.id, "helper").unwrap();
    assert_eq!(made.agent.owner_id, Some(ada.id));
    assert!(world.accepts(&key.unwrap()));
}

#[test]
fn a_name_is_made_once_and_belongs_to_its_maker() {
    let world = World::new();
    let (_, ada) = person(&world, "ada");
    let (_, eve) = person(&world, "eve");
    let create = |by, new: &NewAgent| world.agents().create(&world.permit(by), new, None);
    let new = new_agent("writer");

    let (made, key) = create(&ada, &new).unwrap();
    let key = key.unwrap();
    assert!(!made.already_existed);
    assert_eq!(
        made.agent.scopes,
        scopes(&[Scope::Read, Scope::CredentialsUse])
    );

    let (again, none) = create(&ada, &new).unwrap();
    assert_eq!(
        (again.agent.id, again.already_existed),
        (made.agent.id, true)
    );
    assert!(none.is_none() && world.accepts(&key));

    let rotate = NewAgent {
        rotate: true,
        ..new.clone()
    };
    let (_, newer) = create(&ada, &rotate).unwrap();
    assert!(world.accepts(&newer.unwrap()) && !world.accepts(&key));

    assert!(matches!(create(&eve, &new), Err(AgentError::NameTaken)));
}

#[test]
fn an_agent_never_gets_more_than_the_key_that_makes_it() {
    let world = World::new();
    let (ada, _) = person(&world, "ada");
    let end = NOW.plus(600);
    let some = scopes(&[Scope::Read, Scope::AgentsWrite]);
    let key = world.add_key(&ada, |key| {
        key.scopes = some;
        key.expires_at = Some(end);
    });
    let create = |name: &str, scopes, expires_at| {
        let new = NewAgent {
            scopes,
            expires_at,
            ..new_agent(name)
        };
        world.agents().create(&world.permit(&key), &new, None)
    };

    let wanted = scopes(&[Scope::Read, Scope::CredentialsUse]);
    let Err(AgentError::Stronger(too_much)) = create("a", Some(wanted), None) else {
        panic!("it got more");
    };
    assert_eq!(too_much, scopes(&[Scope::CredentialsUse]));
    for past in [NOW, NOW.plus(-1), Timestamp(0)] {
        let outcome = create("a", None, Some(past));
        assert!(matches!(outcome, Err(AgentError::ExpiryInPast)));
    }
    let outcome = create("a", None, Some(end.plus(1)));
    assert!(matches!(outcome, Err(AgentError::OutlivesCreator)));

    for (name, asked, expected) in [
        ("b", None, end),
        ("c", Some(end), end),
        ("d", Some(NOW.plus(1)), NOW.plus(1)),
    ] {
        let (made, key) = create(name, None, asked).unwrap();
        assert_eq!(made.agent.expires_at, Some(expected));
        assert_eq!(made.agent.scopes, scopes(&[Scope::Read]));
        let key = world.principal(&key.unwrap()).key;
        assert_eq!(key.expires_at, Some(expected));
        assert_eq!(key.scopes, scopes(&[Scope::Read]));
    }
}

#[test]
fn a_login_key_makes_agents_that_last() {
    let world = World::new();
    let (ada, _) = person(&world, "ada");
    let login = world.add_key_of_kind(&ada, ApiKeyKind::Login, |key| {
        key.expires_at = Some(NOW.plus(600));
    });
    let create = |name: &str, expires_at| {
        let new = NewAgent {
            expires_at,
            ..new_agent(name)
        };
        let made = world.agents().create(&world.permit(&login), &new, None);
        made.unwrap().0.agent.expires_at
    };
    assert_eq!(create("a", None), None);
    let later = Some(NOW.plus(601));
    assert_eq!(create("b", later), later);
}

#[test]
fn trees_end_at_their_greatest_depth() {
    let world = World::new();
    let (_, mut key) = person(&world, "ada");
    for depth in 1..=MAX_DEPTH {
        key = world.add_agent(&key, &format!("a{depth}")).1;
    }
    let outcome = world
        .agents()
        .create(&world.permit(&key), &new_agent("deeper"), None);
    assert!(matches!(outcome, Err(AgentError::TooDeep)));
}

#[test]
fn a_new_key_of_an_agent_is_no_stronger_than_the_one_that_asks() {
    let world = World::new();
    let (ada, _) = person(&world, "ada");
    let strong = world.add_key(&ada, |_| {});
    let (agent, _) = world.add_agent(&strong, "writer");
    let rotate = |by: &ApiKey| {
        let rotated = world
            .agents()
            .rotate_key(&world.permit(by), agent, 600, None);
        rotated.map(|(_, key)| world.principal(&key.unwrap()).key)
    };

    let weak = world.add_key(&ada, |key| key.scopes = scopes(&[Scope::AgentsWrite]));
    let Err(AgentError::Stronger(too_much)) = rotate(&weak) else {
        panic!("it got more");
    };
    assert_eq!(too_much, scopes(&[Scope::Read]));

    let short = world.add_key(&ada, |key| key.expires_at = Some(NOW.plus(60)));
    let made = rotate(&short).unwrap();
    assert_eq!(made.expires_at, Some(NOW.plus(60)));
    assert_eq!(made.scopes, scopes(&[Scope::Read, Scope::AgentsWrite]));
    assert_eq!(rotate(&strong).unwrap().expires_at, None);
    let login = world.add_key_of_kind(&ada, ApiKeyKind::Login, |key| {
        key.expires_at = Some(NOW.plus(60));
    });
    assert_eq!(rotate(&login).unwrap().expires_at, None);
    let (_, on_host) = world.agents().rotate_key(&Host, agent, 0, None).unwrap();
    assert_eq!(world.principal(&on_host.unwrap()).key.scopes, made.scopes);
}

#[test]
fn people_with_a_second_factor_show_it_before_they_make_keys() {
    let world = World::new();
    let ada = world.add_user("ada", |user| user.mfa_since = Some(NOW.plus(-3_600)));
    let fresh = world.add_key(&ada, |key| key.fresh_until = Some(NOW.plus(1)));
    let (agent, _) = world.add_agent(&fresh, "writer");
    let stale = world.permit(&world.add_key(&ada, |_| {}));

    let rotated = world.agents().rotate_key(&stale, agent, 0, None);
    let step_up = AgentError::Denied(Denied::StepUpRequired).to_string();
    assert_eq!(rotated.unwrap_err().to_string(), step_up);
    let made = world.agents().create(&stale, &new_agent("reader"), None);
    assert_eq!(made.unwrap_err().to_string(), step_up);
    let fresh = world.permit(&fresh);
    assert!(world.agents().rotate_key(&fresh, agent, 0, None).is_ok());
}

#[test]
fn a_new_key_ends_those_before_it_at_once_or_after_an_overlap() {
    let world = World::new();
    let (_, ada) = person(&world, "ada");
    let (agent, first) = world.add_agent(&ada, "writer");
    let rotate = |overlap| {
        let permit = world.permit(&ada);
        let rotated = world.agents().rotate_key(&permit, agent, overlap, None);
        rotated.unwrap().1.unwrap()
    };
    let ends = |key: &ApiKey| {
        let key = stored_key(&world, key);
        (key.unverified().revoked_at, key.unverified().expires_at)
    };

    let second = rotate(600);
    assert_eq!(ends(&first), (None, Some(NOW.plus(600))));
    assert!(world.accepts(&first) && world.accepts(&second));
    // A later overlap makes no key live longer.
    world.clock.advance(60);
    let third = rotate(600);
    assert_eq!(ends(&first), (None, Some(NOW.plus(600))));
    assert_eq!(ends(&second), (None, Some(NOW.plus(660))));
    let fourth = rotate(0);
    for old in [&first, &second, &third] {
        assert_eq!(ends(old).0, Some(NOW.plus(60)));
        assert!(!world.accepts(old));
    }
    // What has ended keeps the time of its end.
    world.clock.advance(60);
    let last = rotate(0);
    assert_eq!(ends(&third).0, Some(NOW.plus(60)));
    assert_eq!(ends(&fourth).0, Some(NOW.plus(120)));
    assert!(world.accepts(&last));
}

#[test]
fn a_key_whose_row_is_not_genuine_is_not_made_so_by_a_rotation() {
    let world = World::new();
    let (_, ada) = person(&world, "ada");
    let (agent, key) = world.add_agent(&ada, "writer");
    let widened = |key: &mut ApiKeyRecord| key.scopes = Scopes::all();
    assert!(
        world
            .store
            .tamper(|rows| rows.edit_api_key(key.id(), widened))
    );

    let permit = world.permit(&ada);
    world
        .agents()
        .rotate_key(&permit, agent, 600, None)
        .unwrap();

    assert!(!stored_key(&world, &key).is_genuine(&world.macs));
    assert!(!world.accepts(&key));
}

#[test]
fn an_agent_whose_rows_are_not_genuine_gets_no_key() {
    let world = World::new();
    let (_, ada) = person(&world, "ada");
    let (stolen, _) = world.add_agent(&ada, "stolen");
    let (moved, _) = world.add_agent(&ada, "moved");
    assert!(
        world
            .store
            .tamper(|rows| { rows.edit_user(stolen, |user| user.version += 1) })
    );
    let row = world.stored_agent(moved).record;
    let record = AgentRecord {
        creator: stolen,
        ..row.unverified().clone()
    };
    let forged = Signed::from_stored(record, row.mac().clone());
    let written = world.store.write(|tx| tx.replace_agent(row.mac(), &forged));
    assert!(written.unwrap());

    for agent in [stolen, moved] {
        let outcome = world
            .agents()
            .rotate_key(&world.permit(&ada), agent, 0, None);
        assert!(matches!(outcome, Err(AgentError::Store(e)) if is_corrupt(&e)));
    }
}

#[test]
fn a_repeated_rotation_ends_no_key_and_shows_none() {
    let world = World::new();
    let (_, ada) = person(&world, "ada");
    let (agent, _) = world.add_agent(&ada, "writer");
    let rotate = || {
        let attempt = world.attempt("once", "{}");
        let permit = world.permit(&ada);
        let rotated = world.agents().rotate_key(&permit, agent, 0, Some(&attempt));
        rotated.unwrap().1
    };
    let key = rotate().unwrap();
    assert!(rotate().is_none());
    assert!(world.accepts(&key));
}

#[test]
fn a_frozen_agent_gets_no_key() {
    let world = World::new();
    let (_, ada) = person(&world, "ada");
    let (agent, _) = world.add_agent(&ada, "writer");
    let permit = world.permit(&ada);
    let agents = world.agents();
    agents
        .change_tree(&permit, agent, TreeChange::Freeze)
        .unwrap();
    let outcome = world.agents().rotate_key(&permit, agent, 0, None);
    assert!(matches!(outcome, Err(AgentError::Frozen)));
}
