use std::fmt;

use keyward_auth::UserId;

/// Where an agent stands in its tree: the agents from the root down to it.
///
/// The root was made by a person. The stored form is the ids, separated by `/`, so that everything
/// below an agent begins with the same text.
///
/// ```
/// use keyward_agents::Lineage;
/// use keyward_auth::UserId;
///
/// let (root, child) = (UserId::generate(), UserId::generate());
/// let lineage = Lineage::root(root).child(child);
/// assert_eq!((lineage.parent(), lineage.depth()), (Some(root), 2));
/// assert_eq!(lineage.to_string(), format!("{root}/{child}"));
/// assert_eq!(Lineage::from_stored(&lineage.to_string()), Ok(lineage));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    above: Vec<UserId>,
    agent: UserId,
}

impl Lineage {
    /// An agent that a person made.
    #[must_use]
    pub fn root(agent: UserId) -> Self {
        Self {
            above: Vec::new(),
            agent,
        }
    }

    /// An agent that this one made.
    #[must_use]
    pub fn child(&self, agent: UserId) -> Self {
        Self {
            above: self.path().collect(),
            agent,
        }
    }

    /// The agent itself.
    #[must_use]
    pub fn agent(&self) -> UserId {
        self.agent
    }

    /// The agents above it, the root first.
    #[must_use]
    pub fn above(&self) -> &[UserId] {
        &self.above
    }

    /// The agent that made it; `None` where a person did.
    #[must_use]
    pub fn parent(&self) -> Option<UserId> {
        self.above.last().copied()
    }

    /// How many agents there are from the root down to it, itself included.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.above.len() + 1
    }

    /// Whether it stands below `agent`.
    #[must_use]
    pub fn is_below(&self, agent: UserId) -> bool {
        self.above.contains(&agent)
    }

    /// Reads the stored form back.
    pub fn from_stored(text: &str) -> Result<Self, MalformedLineage> {
        let mut path = text
            .split('/')
            .map(|id| UserId::parse(id).ok().ok_or(MalformedLineage))
            .collect::<Result<Vec<_>, _>>()?;
        let agent = path.pop().ok_or(MalformedLineage)?;
        Ok(Self { above: path, agent })
    }

    fn path(&self) -> impl Iterator<Item = UserId> {
        self.above.iter().copied().chain([self.agent])
    }
}

/// The stored form.
impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for above in &self.above {
            write!(f, "{above}/")?;
        }
        write!(f, "{}", self.agent)
    }
}

/// The text is not a list of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a lineage")]
pub struct MalformedLineage;

/// How deep a tree of agents can be, its root included.
pub const MAX_DEPTH: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lineage_reads_back_and_begins_with_that_of_its_parent() {
        let ids: Vec<_> = (0..4).map(|_| UserId::generate()).collect();
        let mut lineage = Lineage::root(ids[0]);
        assert_eq!((lineage.depth(), lineage.parent()), (1, None));
        for (n, id) in ids.iter().enumerate().skip(1) {
            let child = lineage.child(*id);
            assert_eq!(child.depth(), n + 1);
            assert_eq!(child.parent(), Some(lineage.agent()));
            assert!(child.to_string().starts_with(&format!("{lineage}/")));
            lineage = child;
        }
        assert_eq!(
            Lineage::from_stored(&lineage.to_string()),
            Ok(lineage.clone())
        );
        assert_eq!(lineage.above(), &ids[..3]);
        assert!(lineage.is_below(ids[0]) && !lineage.is_below(ids[3]));
    }

    #[test]
    fn other_text_is_no_lineage() {
        let id = UserId::generate();
        for text in [
            "",
            "/",
            "x",
            &format!("{id}/"),
            &format!("/{id}"),
            &format!("{id}//{id}"),
        ] {
            assert_eq!(Lineage::from_stored(text), Err(MalformedLineage), "{text}");
        }
    }
}
