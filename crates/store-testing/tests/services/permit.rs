use keyward_auth::{Any, MissingScope, RequiredScope, Scope, Scopes, User, needs};

use crate::world::World;

#[test]
fn a_key_without_a_scope_gets_no_permit_and_learns_which_one_is_missing() {
    fn check<Needed: RequiredScope>(world: &World, admin: &User, scope: Scope) {
        let only: Scopes = [scope].into_iter().collect();
        let principal = |scopes| world.principal(&world.add_key(admin, |key| key.scopes = scopes));
        let missing = principal(Scopes::all().without(only)).permit::<Needed>();
        assert_eq!(missing.err(), Some(MissingScope(scope)));
        assert!(principal(only).permit::<Needed>().is_ok());
        assert!(MissingScope(scope).to_string().contains(scope.as_str()));
    }
    let world = World::new();
    let admin = world.add_admin("root");
    check::<needs::Read>(&world, &admin, Scope::Read);
    check::<needs::CredentialsWrite>(&world, &admin, Scope::CredentialsWrite);
    check::<needs::CredentialsUse>(&world, &admin, Scope::CredentialsUse);
    check::<needs::CredentialsAccess>(&world, &admin, Scope::CredentialsAccess);
    check::<needs::AgentsWrite>(&world, &admin, Scope::AgentsWrite);
    check::<needs::UsersWrite>(&world, &admin, Scope::UsersWrite);
    check::<needs::AuditRead>(&world, &admin, Scope::AuditRead);
    check::<needs::Admin>(&world, &admin, Scope::Admin);
}

#[test]
fn a_key_without_scopes_can_say_whose_it_is() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let key = world.add_key(&ada, |key| key.scopes = Scopes::NONE);
    assert_eq!(world.permit::<Any>(&key).user, ada.id);
}

#[test]
fn the_scopes_of_an_admin_are_missing_to_everybody_else() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let key = world.add_key(&ada, |key| key.scopes = Scopes::all());
    let missing = world.principal(&key).permit::<needs::UsersWrite>();
    assert_eq!(missing.unwrap_err(), MissingScope(Scope::UsersWrite));
}
