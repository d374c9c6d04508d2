//! How many requests may be under way.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keyward_credentials::CallError;

/// Counts the requests under way, of each user and of all. Each costs two connections, and the
/// service of a credential decides how long it lasts.
#[derive(Default)]
pub(crate) struct Crowd {
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    all: usize,
    /// Only those who have one.
    of_user: HashMap<String, usize>,
}

/// One place. Dropping it makes room.
pub(crate) struct Place {
    crowd: Arc<Crowd>,
    user: String,
}

impl Crowd {
    /// A place for a request of `user`, if there is one.
    pub(crate) fn join(self: &Arc<Self>, user: Option<&str>) -> Result<Place, CallError> {
        let user = user.unwrap_or_default().to_owned();
        let mut inside = self.inside();
        if inside.all >= MAX_UNDER_WAY {
            return Err(CallError::Overloaded);
        }
        let own = inside.of_user.entry(user.clone()).or_default();
        if *own >= MAX_OF_USER {
            return Err(CallError::TooManyUnderWay { max: MAX_OF_USER });
        }
        *own += 1;
        inside.all += 1;
        Ok(Place {
            crowd: Arc::clone(self),
            user,
        })
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // Nothing panics while it is held.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.crowd.inside();
        inside.all = inside.all.saturating_sub(1);
        let user = std::mem::take(&mut self.user);
        if let Entry::Occupied(mut own) = inside.of_user.entry(user) {
            *own.get_mut() -= 1;
            if *own.get() == 0 {
                own.remove();
            }
        }
    }
}

/// More than one program has use for, and far fewer than would keep others out.
const MAX_OF_USER: usize = 512;
const MAX_UNDER_WAY: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_with_all_places_keeps_nobody_else_out_and_may_come_again() {
        let crowd: Arc<Crowd> = Arc::default();
        let mut places: Vec<_> = (0..MAX_OF_USER)
            .map(|_| crowd.join(Some("ada")).unwrap())
            .collect();
        let refused = crowd.join(Some("ada")).err();
        assert!(
            matches!(refused, Some(CallError::TooManyUnderWay { max }) if max == MAX_OF_USER),
            "{refused:?}"
        );
        assert!(crowd.join(Some("grace")).is_ok());
        places.pop();
        assert!(crowd.join(Some("ada")).is_ok());
        drop(places);
        assert!(crowd.inside().of_user.is_empty());
        assert_eq!(crowd.inside().all, 0);
    }

    #[test]
    fn many_users_together_have_a_limit_too() {
        let crowd: Arc<Crowd> = Arc::default();
        let users = MAX_UNDER_WAY / MAX_OF_USER;
        let join = |number: usize| crowd.join(Some(&format!("user-{}", number % users)));
        let places: Vec<_> = (0..MAX_UNDER_WAY).map(|n| join(n).unwrap()).collect();
        assert!(matches!(
            crowd.join(Some("ada")),
            Err(CallError::Overloaded)
        ));
        drop(places);
        assert!(crowd.join(Some("ada")).is_ok());
    }
}
