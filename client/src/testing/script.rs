//! Which replies a test has laid down, and what has been asked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use super::Asked;
use super::reply::Prepared;

pub(super) type Handler = Box<dyn FnMut(&Asked) -> Prepared + Send>;

/// Replies by API, and what has been asked.
#[derive(Default)]
pub(super) struct Script {
    /// For single requests, in order, each for any node or only for one.
    steps: BTreeMap<i16, VecDeque<(Option<i32>, Handler)>>,
    /// For all other requests.
    handlers: BTreeMap<i16, Arc<Mutex<Handler>>>,
    pub(super) asked: Vec<Asked>,
}

impl Script {
    pub(super) fn add_step(&mut self, api_key: i16, node: Option<i32>, handler: Handler) {
        let steps = self.steps.entry(api_key).or_default();
        steps.push_back((node, handler));
    }

    pub(super) fn set_handler(&mut self, api_key: i16, handler: Handler) {
        let handler = Arc::new(Mutex::new(handler));
        self.handlers.insert(api_key, handler);
    }

    /// How many single replies nobody has asked for yet.
    pub(super) fn steps_count(&self) -> usize {
        self.steps.values().map(VecDeque::len).sum()
    }

    /// Notes what is asked and finds who replies; to be called without any lock held.
    pub(super) fn note(&mut self, asked: &Asked) -> Option<Arc<Mutex<Handler>>> {
        self.asked.push(asked.clone());
        let api_key = asked.api as i16;
        if let Some(steps) = self.steps.get_mut(&api_key) {
            let is_for =
                |(node, _): &(Option<i32>, Handler)| node.is_none_or(|it| it == asked.node);
            if let Some(index) = steps.iter().position(is_for) {
                let step = steps.remove(index);
                return step.map(|(_, handler)| Arc::new(Mutex::new(handler)));
            }
        }
        self.handlers.get(&api_key).cloned()
    }
}
