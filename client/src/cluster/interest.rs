//! Which topics metadata is asked for.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Default)]
pub(super) struct Interest(Mutex<Wanted>);

#[derive(Default)]
struct Wanted {
    is_all: bool,
    names: BTreeSet<Arc<str>>,
}

impl Interest {
    /// Adds a topic; says whether it is new.
    pub(super) fn add(&self, name: &str) -> bool {
        let mut wanted = self.lock();
        !wanted.names.contains(name) && wanted.names.insert(name.into())
    }

    pub(super) fn remove(&self, name: &str) {
        self.lock().names.remove(name);
    }

    pub(super) fn set_all(&self, is_all: bool) {
        self.lock().is_all = is_all;
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.lock().names.contains(name)
    }

    /// The names, or nothing for all topics.
    pub(super) fn names(&self) -> Option<Vec<Arc<str>>> {
        let wanted = self.lock();
        (!wanted.is_all).then(|| wanted.names.iter().cloned().collect())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Wanted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
