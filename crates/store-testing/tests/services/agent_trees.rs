//! Agents are stopped, started and revoked together with everything below them.

use keyward_agents::{AgentError, AgentRecord, Agents as _, TreeChange};
use keyward_auth::{Permit, SecondFactors as _, UserId, UserStatus, needs};
use keyward_core::Store as _;
use keyward_crypto::{ApiKey, Signed};

use crate::world::{NOW, World};

/// A tree: a root with two children, each of whom has one.
struct Tree {
    world: World,
    ada: Permit<needs::AgentsWrite>,
    root: UserId,
    left: UserId,
    left_child: UserId,
    right: UserId,
    right_child: UserId,
    keys: Vec<ApiKey>,
}

impl Tree {
    fn new() -> Self {
        let world = World::new();
        let ada = world.add_user("ada", |_| {});
        let ada = world.add_key(&ada, |_| {});
        let (root, root_key) = world.add_agent(&ada, "root");
        let (left, left_key) = world.add_agent(&root_key, "left");
        let (left_child, left_child_key) = world.add_agent(&left_key, "left-child");
        let (right, right_key) = world.add_agent(&root_key, "right");
        let (right_child, right_child_key) = world.add_agent(&right_key, "right-child");
        Self {
            ada: world.permit(&ada),
            keys: vec![
                root_key,
                left_key,
                left_child_key,
                right_key,
                right_child_key,
            ],
            world,
            root,
            left,
            left_child,
            right,
            right_child,
        }
    }

    fn all(&self) -> [UserId; 5] {
        let Self {
            root,
            left,
            left_child,
            right,
            right_child,
            ..
        } = *self;
        [root, left, left_child, right, right_child]
    }

    /// Plans a change, makes it, and says whom it concerned.
    fn change(&self, root: UserId, change: TreeChange) -> Result<Vec<UserId>, AgentError> {
        let agents = self.world.agents();
        let plan = agents.plan_tree(&self.ada, root, change);
        let made = agents.change_tree(&self.ada, root, change)?;
        assert_eq!(plan?, made);
        Ok(made.into_iter().map(|affected| affected.id).collect())
    }

    fn status(&self, agent: UserId) -> UserStatus {
        self.world.stored_user(agent).status
    }

    /// Whose keys work.
    fn working(&self) -> Vec<UserId> {
        let both = self.all().into_iter().zip(&self.keys);
        let works = both.filter(|(_, key)| self.world.accepts(key));
        works.map(|(agent, _)| agent).collect()
    }
}

#[test]
fn freezing_stops_an_agent_and_everything_below_it() {
    let tree = Tree::new();
    assert_eq!(tree.working(), tree.all());

    let frozen = tree.change(tree.left, TreeChange::Freeze).unwrap();

    assert_eq!(frozen, [tree.left, tree.left_child]);
    assert_eq!(tree.working(), [tree.root, tree.right, tree.right_child]);
    let frozen_at = |agent| {
        let stored = tree.world.stored_agent(agent);
        stored.record.unverified().frozen_at
    };
    assert_eq!(frozen_at(tree.left), Some(NOW));
    // What is below is marked at its user only.
    assert_eq!(frozen_at(tree.left_child), None);
    let versions = tree.all().map(|id| tree.world.stored_user(id).version);
    assert_eq!(versions, [1, 2, 2, 1, 1]);
}

#[test]
fn a_plan_says_who_is_concerned_and_changes_nothing() {
    let tree = Tree::new();
    let plan = tree
        .world
        .agents()
        .plan_tree(&tree.ada, tree.left, TreeChange::Freeze)
        .unwrap();
    let plan: Vec<_> = plan
        .iter()
        .map(|agent| (agent.username.as_str(), agent.parent, agent.depth))
        .collect();
    assert_eq!(
        plan,
        [
            ("agent_left", Some(tree.root), 2),
            ("agent_left-child", Some(tree.left), 3)
        ]
    );
    assert_eq!(tree.working(), tree.all());
}

#[test]
fn thawing_gives_back_what_was_not_frozen_itself() {
    let tree = Tree::new();
    tree.change(tree.left, TreeChange::Freeze).unwrap();
    let frozen = tree.change(tree.root, TreeChange::Freeze).unwrap();
    assert_eq!(frozen, [tree.root, tree.right, tree.right_child]);

    let thawed = tree.change(tree.root, TreeChange::Unfreeze).unwrap();
    assert_eq!(thawed, [tree.root, tree.right, tree.right_child]);
    assert_eq!(tree.working(), thawed);

    let thawed = tree.change(tree.left, TreeChange::Unfreeze).unwrap();
    assert_eq!(thawed, [tree.left, tree.left_child]);
    assert_eq!(tree.working(), tree.all());
}

#[test]
fn an_agent_below_a_frozen_one_is_not_thawed_and_can_be_frozen_itself() {
    let tree = Tree::new();
    tree.change(tree.root, TreeChange::Freeze).unwrap();
    let outcome = tree.change(tree.left, TreeChange::Unfreeze);
    assert!(matches!(outcome, Err(AgentError::FrozenAbove)));

    // It is stopped already, so that nobody's state changes. That it stays so does.
    let before = tree.world.actions().len();
    assert_eq!(tree.change(tree.left, TreeChange::Freeze).unwrap(), []);
    assert_eq!(tree.world.actions().split_off(before), ["agent.freeze"]);
    tree.change(tree.root, TreeChange::Unfreeze).unwrap();
    assert_eq!(tree.working(), [tree.root, tree.right, tree.right_child]);
}

#[test]
fn what_changes_nothing_is_not_in_the_audit_log() {
    let tree = Tree::new();
    tree.change(tree.root, TreeChange::Freeze).unwrap();
    let before = tree.world.actions();
    assert_eq!(tree.change(tree.root, TreeChange::Freeze).unwrap(), []);
    assert_eq!(tree.world.actions(), before);
}

#[test]
fn a_mark_that_was_taken_away_in_the_database_stays_where_it_was() {
    let tree = Tree::new();
    tree.change(tree.left, TreeChange::Freeze).unwrap();
    tree.change(tree.root, TreeChange::Freeze).unwrap();
    let row = tree.world.stored_agent(tree.left).record;
    let record = AgentRecord {
        frozen_at: None,
        ..row.unverified().clone()
    };
    let forged = Signed::from_stored(record, row.mac().clone());
    let written = (tree.world.store).write(|tx| tx.replace_agent(row.mac(), &forged));
    assert!(written.unwrap());

    let thawed = tree.change(tree.root, TreeChange::Unfreeze).unwrap();
    assert_eq!(thawed, [tree.root, tree.right, tree.right_child]);
}

#[test]
fn an_agent_whose_row_is_not_genuine_is_left_as_it_is() {
    let tree = Tree::new();
    let stored = || {
        let agent = tree.world.stored_agent(tree.left_child);
        (agent.user.unverified().clone(), agent.user.mac().clone())
    };
    let tampered =
        (tree.world.store).tamper(|rows| rows.edit_user(tree.left_child, |user| user.version = 9));
    assert!(tampered);
    let before = stored();

    let frozen = tree.change(tree.left, TreeChange::Freeze).unwrap();
    assert_eq!(frozen, [tree.left]);
    assert_eq!(stored(), before);
}

#[test]
fn a_revoked_tree_is_gone_with_its_secrets_and_its_names_are_free() {
    let tree = Tree::new();
    let has_secret = |agent| {
        let secrets = tree.world.store.read(|tx| tx.totp_secrets(agent));
        secrets.unwrap().active.is_some()
    };
    tree.change(tree.left, TreeChange::Freeze).unwrap();
    tree.change(tree.left, TreeChange::Unfreeze).unwrap();
    assert!(tree.all().into_iter().all(has_secret));

    let before = tree.world.actions().len();
    let revoked = tree.change(tree.left, TreeChange::Revoke).unwrap();

    assert_eq!(revoked, [tree.left, tree.left_child]);
    assert_eq!(tree.world.actions().split_off(before), ["agent.revoke"]);
    assert_eq!(tree.status(tree.left_child), UserStatus::Deleted);
    assert_eq!(tree.working(), [tree.root, tree.right, tree.right_child]);
    let secrets = tree.all().map(has_secret);
    assert_eq!(secrets, [true, false, false, true, true]);
    let outcome = tree.change(tree.left, TreeChange::Unfreeze);
    assert!(matches!(outcome, Err(AgentError::NotFound)));
    tree.world.add_agent(&tree.keys[0], "left");
}
