//! Which topics metadata is asked for: those that are watched until further notice, and those that
//! somebody looks up right now.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Cluster;

#[derive(Default)]
pub(super) struct Interest(Mutex<Wanted>);

#[derive(Default)]
struct Wanted {
    is_all: bool,
    names: BTreeMap<Arc<str>, Reasons>,
}

/// Why a topic is wanted; one without a reason is not there.
#[derive(Default)]
struct Reasons {
    is_watched: bool,
    holds_count: usize,
}

impl Interest {
    /// Watches a topic; says whether it was not wanted before.
    pub(super) fn add(&self, name: &str) -> bool {
        self.change(name, |reasons| reasons.is_watched = true)
    }

    pub(super) fn remove(&self, name: &str) {
        self.change(name, |reasons| reasons.is_watched = false);
    }

    /// Says whether the topic was not wanted before.
    fn change(&self, name: &str, change: impl FnOnce(&mut Reasons)) -> bool {
        let mut wanted = self.lock();
        let is_new = !wanted.names.contains_key(name);
        if is_new {
            wanted.names.insert(name.into(), Reasons::default());
        }
        if let Some(reasons) = wanted.names.get_mut(name) {
            change(reasons);
            if !reasons.is_watched && reasons.holds_count == 0 {
                wanted.names.remove(name);
            }
        }
        is_new
    }

    pub(super) fn set_all(&self, is_all: bool) {
        self.lock().is_all = is_all;
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.lock().names.contains_key(name)
    }

    /// The names, or nothing for all topics.
    pub(super) fn names(&self) -> Option<Vec<Arc<str>>> {
        let wanted = self.lock();
        (!wanted.is_all).then(|| wanted.names.keys().cloned().collect())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Wanted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a topic's metadata as long as it lives, whoever else watches the topic or does no longer.
pub(crate) struct TopicHold {
    cluster: Cluster,
    name: Arc<str>,
}

impl Cluster {
    /// Keeps a topic's metadata for a lookup.
    pub(crate) fn hold_topic(&self, name: &str) -> TopicHold {
        let hold = |reasons: &mut Reasons| reasons.holds_count += 1;
        self.inner.interest.change(name, hold);
        TopicHold {
            cluster: self.clone(),
            name: name.into(),
        }
    }
}

impl Drop for TopicHold {
    fn drop(&mut self) {
        let release = |reasons: &mut Reasons| {
            reasons.holds_count = reasons.holds_count.saturating_sub(1);
        };
        self.cluster.inner.interest.change(&self.name, release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(interest: &Interest) -> Vec<String> {
        let names = interest.names().unwrap_or_default();
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_topic_is_wanted_as_long_as_there_is_a_reason() {
        let interest = Interest::default();
        assert!(interest.add("a"));
        assert!(!interest.add("a"));
        interest.change("a", |it| it.holds_count += 1);
        interest.change("a", |it| it.holds_count += 1);
        interest.remove("a");
        interest.change("a", |it| it.holds_count -= 1);
        assert_eq!(names(&interest), ["a"]);
        interest.change("a", |it| it.holds_count -= 1);
        assert!(names(&interest).is_empty());
        interest.remove("never there");
        assert!(names(&interest).is_empty());
        interest.set_all(true);
        assert!(interest.names().is_none());
    }
}
