use keyward_agents::{Agent, AgentRecord, Agents, AgentsOf, Lineage};
use keyward_auth::{
    ApiKeys, Delegation, Purpose, Scope, SecondFactors, TotpSecrets, User, UserId, UserKind,
    UserStatus, Users,
};
use keyward_core::{Id, Store, Timestamp};
use keyward_crypto::{EncryptedString, Mac, Signed};

use super::rows::{added_user, api_key, assert_same, changed, sign, user};
use super::run::{count, paged, race, read, write};

/// Checks what [`Agents`] promises, races included, and what
/// [`key_with_owner`](ApiKeys::key_with_owner) says of the keys of agents.
///
/// # Panics
///
/// At the first promise that is broken.
pub fn agents<S: Store<Tx: Agents + Users + ApiKeys + SecondFactors>>(store: &S) {
    an_agent_reads_back(store);
    a_key_of_an_agent_comes_with_the_person_who_answers_for_it(store);
    lists_have_every_agent_of_their_kind_once(store);
    a_subtree_has_the_root_and_everything_below_it(store);
    states_are_written_by_compare_and_set(store);
    of_racing_changes_one_is_written(store);
    secrets_are_dropped_in_the_subtree_alone(store);
}

pub(crate) fn an_agent_reads_back<S: Store<Tx: Agents + Users>>(store: &S) {
    let owner = added_user(store);
    for (purpose, frozen_at) in [(None, None), (Some("a/b'\"ü"), Some(Timestamp(i64::MAX)))] {
        let agent = add(store, owner, None, |record| {
            record.purpose = purpose.map(|text| Purpose::from_stored(text.to_owned()));
            record.frozen_at = frozen_at;
        });
        let found = stored(store, &agent);
        assert_same(&found.record, &agent.record, "agent");
        assert_same(&found.user, &agent.user, "agent");
        let mut new = agent.record.unverified().clone();
        new.frozen_at = Some(Timestamp(7));
        let new = sign(new);
        let stale = sign(agent.user.unverified().clone());
        assert!(
            !write(store, |tx| tx.replace_agent(stale.mac(), &new)),
            "replace_agent: wrote over a row with another MAC"
        );
        assert!(write(store, |tx| tx.replace_agent(agent.record.mac(), &new)));
        assert_same(&stored(store, &agent).record, &new, "replace_agent");
    }
    let unknown = read(store, |tx| tx.agent(UserId::generate()));
    assert!(unknown.is_none(), "agent: finds one that nobody has made");
    assert!(
        read(store, |tx| tx.agent(owner)).is_none(),
        "agent: a person is none"
    );
}

fn a_key_of_an_agent_comes_with_the_person_who_answers_for_it<
    S: Store<Tx: Agents + Users + ApiKeys>,
>(
    store: &S,
) {
    let owner = added_user(store);
    let agent = add(store, owner, None, |_| ());
    let keys = [api_key(id(&agent)), api_key(owner)].map(sign);
    for (key, sponsor) in keys.into_iter().zip([Some(owner), None]) {
        write(store, |tx| tx.add_api_key(&key));
        let found = read(store, |tx| tx.key_with_owner(key.unverified().id));
        let found = found.unwrap_or_else(|| panic!("key_with_owner: finds no new key"));
        let found = found.sponsor.map(|sponsor| sponsor.unverified().id);
        assert_eq!(
            found, sponsor,
            "key_with_owner: another person answers for it"
        );
    }
}

pub(crate) fn lists_have_every_agent_of_their_kind_once<S: Store<Tx: Agents + Users>>(store: &S) {
    let (owner, other) = (added_user(store), added_user(store));
    let root = add(store, owner, None, |_| ());
    let child = add(store, owner, Some(&root), |_| ());
    let leaf = add(store, owner, Some(&child), |_| ());
    let foreign = add(store, other, None, |_| ());
    let gone = add(store, owner, Some(&root), |_| ());
    set_status(store, &gone, UserStatus::Deleted);
    let lineage = |agent: &Agent| agent.record.unverified().lineage.clone();
    for (of, mut expected) in [
        (AgentsOf::Owner(owner), vec![&root, &child, &leaf]),
        (AgentsOf::Owner(other), vec![&foreign]),
        (AgentsOf::Below(lineage(&root)), vec![&child, &leaf]),
        (AgentsOf::Below(lineage(&leaf)), vec![]),
    ] {
        expected.sort_by_key(|agent| id(agent));
        let page = |after, limit| read(store, |tx| tx.agents_after(&of, after, limit));
        for limit in [1, 2, 50] {
            let listed = paged(limit, page, id);
            let (listed, expected): (Vec<_>, Vec<_>) = (
                listed.iter().map(id).collect(),
                expected.iter().map(|agent| id(agent)).collect(),
            );
            assert_eq!(listed, expected, "agents_after: {of:?}");
        }
    }
    let page = |after, limit| {
        read(store, |tx| {
            tx.agents_after(&AgentsOf::Everybody, after, limit)
        })
    };
    let all: Vec<_> = paged(50, page, id).iter().map(id).collect();
    for agent in [&root, &child, &leaf, &foreign] {
        assert!(
            all.contains(&id(agent)),
            "agents_after: somebody is missing"
        );
    }
    assert!(
        !all.contains(&id(&gone)),
        "agents_after: lists a revoked one"
    );
}

pub(crate) fn a_subtree_has_the_root_and_everything_below_it<S: Store<Tx: Agents + Users>>(
    store: &S,
) {
    let owner = added_user(store);
    let root = add(store, owner, None, |_| ());
    let children = [0, 1].map(|_| add(store, owner, Some(&root), |_| ()));
    let leaves = children
        .each_ref()
        .map(|child| add(store, owner, Some(child), |_| ()));
    add(store, owner, None, |_| ());
    let under = |agent: &Agent| {
        let lineage = &agent.record.unverified().lineage;
        read(store, |tx| tx.agents_under(lineage))
    };
    let all = under(&root);
    assert_eq!(all.len(), 5, "agents_under: not the agent and all below it");
    for (n, agent) in all.iter().enumerate() {
        let parent = agent.record.unverified().lineage.parent();
        let is_after = parent.is_none_or(|parent| all[..n].iter().any(|above| id(above) == parent));
        assert!(is_after, "agents_under: a child stands before its parent");
    }
    let branch: Vec<_> = under(&children[0]).iter().map(id).collect();
    assert_eq!(
        branch,
        [id(&children[0]), id(&leaves[0])],
        "agents_under: another branch"
    );
    set_status(store, &leaves[0], UserStatus::Deleted);
    assert_eq!(
        under(&children[0]).len(),
        1,
        "agents_under: has a revoked one"
    );
}

pub(crate) fn states_are_written_by_compare_and_set<S: Store<Tx: Agents + Users>>(store: &S) {
    let owner = added_user(store);
    let agents = [0, 1, 2].map(|_| add(store, owner, None, |_| ()));
    let mut changes: Vec<_> = agents.iter().take(2).map(frozen).collect();
    changes[1].0 = Mac::unreadable();
    let written = write(store, |tx| tx.set_agent_states(&changes));
    assert_eq!(
        written, 1,
        "set_agent_states: wrote over a row with another MAC"
    );
    let states: Vec<_> = agents
        .iter()
        .map(|agent| stored(store, agent).user.unverified().status)
        .collect();
    assert_eq!(
        states,
        [UserStatus::Disabled, UserStatus::Active, UserStatus::Active],
        "set_agent_states: another row"
    );
    assert_same(
        &stored(store, &agents[0]).user,
        &changes[0].1,
        "set_agent_states",
    );
}

pub(crate) fn of_racing_changes_one_is_written<S: Store<Tx: Agents + Users>>(store: &S) {
    let owner = added_user(store);
    let agent = add(store, owner, None, |_| ());
    let written = race(8, |_| {
        write(store, |tx| tx.set_agent_states(&[frozen(&agent)])) == 1
    });
    assert_eq!(
        count(&written),
        1,
        "set_agent_states: of racing changes exactly one is written"
    );
    let old = agent.record.mac();
    let new = |n| {
        let mut record = agent.record.unverified().clone();
        record.frozen_at = Some(Timestamp(n));
        sign(record)
    };
    let written = race(8, |n| {
        let n = i64::try_from(n).unwrap_or_default();
        write(store, |tx| tx.replace_agent(old, &new(n)))
    });
    assert_eq!(
        count(&written),
        1,
        "replace_agent: of racing changes exactly one is written"
    );
}

pub(crate) fn secrets_are_dropped_in_the_subtree_alone<
    S: Store<Tx: Agents + Users + SecondFactors>,
>(
    store: &S,
) {
    let owner = added_user(store);
    let root = add(store, owner, None, |_| ());
    let child = add(store, owner, Some(&root), |_| ());
    let leaf = add(store, owner, Some(&child), |_| ());
    let sibling = add(store, owner, Some(&root), |_| ());
    let secrets = TotpSecrets {
        active: Some(EncryptedString::from_stored(
            "v1.0000000000000000.x".to_owned(),
        )),
        pending: None,
    };
    for agent in [&root, &child, &leaf, &sibling] {
        write(store, |tx| tx.set_totp_secrets(id(agent), &secrets));
    }
    let lineage = child.record.unverified().lineage.clone();
    write(store, |tx| tx.drop_secrets_under(&lineage));
    for (agent, is_kept) in [
        (&root, true),
        (&child, false),
        (&leaf, false),
        (&sibling, true),
    ] {
        let left = read(store, |tx| tx.totp_secrets(id(agent)));
        assert_eq!(
            left.active.is_some(),
            is_kept,
            "drop_secrets_under: dropped too much or too little"
        );
    }
}

fn add<S: Store<Tx: Agents + Users>>(
    store: &S,
    owner: UserId,
    parent: Option<&Agent>,
    edit: impl FnOnce(&mut AgentRecord),
) -> Agent {
    let agent = new(owner, parent, edit);
    write(store, |tx| {
        assert!(tx.add_user(&agent.user)?, "add_user: false for a new name");
        tx.add_agent(&agent.record)
    });
    agent
}

/// An agent that is not stored yet.
pub(super) fn new(
    owner: UserId,
    parent: Option<&Agent>,
    edit: impl FnOnce(&mut AgentRecord),
) -> Agent {
    let new = User {
        kind: UserKind::Agent,
        password_hash: None,
        delegation: Some(Delegation {
            owner,
            scopes: [Scope::Read].into_iter().collect(),
            expires_at: Some(Timestamp(253_402_300_799)),
        }),
        ..user()
    };
    let lineage = match parent {
        None => Lineage::root(new.id),
        Some(parent) => parent.record.unverified().lineage.child(new.id),
    };
    let mut record = AgentRecord {
        creator: lineage.parent().unwrap_or(owner),
        lineage,
        purpose: None,
        frozen_at: None,
    };
    edit(&mut record);
    Agent {
        record: sign(record),
        user: sign(new),
    }
}

fn stored<S: Store<Tx: Agents>>(store: &S, agent: &Agent) -> Agent {
    let found = read(store, |tx| tx.agent(id(agent)));
    found.unwrap_or_else(|| panic!("agent: does not find what add_agent added"))
}

fn frozen(agent: &Agent) -> (Mac, Signed<User>) {
    let new = changed(&agent.user, |user| user.status = UserStatus::Disabled);
    (agent.user.mac().clone(), new)
}

fn set_status<S: Store<Tx: Agents>>(store: &S, agent: &Agent, status: UserStatus) {
    let new = changed(&agent.user, |user| user.status = status);
    let change = [(agent.user.mac().clone(), new)];
    assert_eq!(write(store, |tx| tx.set_agent_states(&change)), 1);
}

fn id(agent: &Agent) -> Id<User> {
    agent.user.unverified().id
}
