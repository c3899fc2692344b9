//! A fetch session with one broker (KIP-227): the broker remembers the partitions of a request, and
//! the next one names only what changed.
//!
//! Pure: [`FetchSession::next_request`] says what to send for what is wanted, and the session is
//! told how that ended. After Kafka's `FetchSessionHandler`.

use std::sync::Arc;

use hashbrown::HashMap;
use ringbrook_protocol::ResponseError;
use uuid::Uuid;

use crate::topic_partition::TopicPartition;

/// The epoch of a request that opens a session.
const INITIAL_EPOCH: i32 = 0;
/// The epoch of a request that ends a session.
const FINAL_EPOCH: i32 = -1;

/// What is wanted of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Nil when the broker tells no topic ids.
    pub(crate) topic_id: Uuid,
    pub(crate) fetch_offset: i64,
    /// The leader's epoch; -1 when it is not known.
    pub(crate) current_leader_epoch: i32,
    pub(crate) partition_max_bytes: i32,
}

/// What to send.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SessionRequest {
    pub(crate) session_id: i32,
    pub(crate) session_epoch: i32,
    /// New or changed partitions, in the order they were wanted in.
    pub(crate) to_send: Vec<(TopicPartition, Wanted)>,
    /// Partitions that the broker shall not read any more, with the topic ids it knows them by.
    pub(crate) to_forget: Vec<(TopicPartition, Uuid)>,
    /// Whether topics may be named by ids.
    pub(crate) has_topic_ids: bool,
}

/// A session as this side sees it.
#[derive(Debug)]
pub(crate) struct FetchSession {
    /// 0 for none.
    session_id: i32,
    next_epoch: i32,
    /// What the broker remembers; of the request under way already.
    partitions: HashMap<TopicPartition, Wanted>,
    has_topic_ids: bool,
}

impl FetchSession {
    /// None is open yet.
    pub(crate) fn new() -> Self {
        Self {
            session_id: 0,
            next_epoch: INITIAL_EPOCH,
            partitions: HashMap::new(),
            has_topic_ids: false,
        }
    }

    /// What to send for exactly these partitions.
    pub(crate) fn next_request(&mut self, wanted: Vec<(TopicPartition, Wanted)>) -> SessionRequest {
        let has_topic_ids = wanted.iter().all(|(_, it)| !it.topic_id.is_nil());
        // A session is by ids or by names, never both.
        if has_topic_ids != self.has_topic_ids && self.next_epoch != INITIAL_EPOCH {
            self.restart();
        }
        self.has_topic_ids = has_topic_ids;
        let mut request = SessionRequest {
            session_id: self.session_id,
            session_epoch: self.next_epoch,
            has_topic_ids,
            ..SessionRequest::default()
        };
        if self.next_epoch == INITIAL_EPOCH {
            self.partitions = wanted.iter().cloned().collect();
            request.to_send = wanted;
            return request;
        }
        let mut known = std::mem::take(&mut self.partitions);
        for (partition, it) in wanted {
            let before = known.remove(&partition);
            self.partitions.insert(partition.clone(), it);
            // A topic of the same name that was created anew.
            if let Some(before) = before.filter(|before| before.topic_id != it.topic_id) {
                request.to_forget.push((partition.clone(), before.topic_id));
            }
            if before != Some(it) {
                request.to_send.push((partition, it));
            }
        }
        let forgotten = known.into_iter().map(|(it, known)| (it, known.topic_id));
        request.to_forget.extend(forgotten);
        request
    }

    /// The request that ends the session, if one is open.
    pub(crate) fn final_request(&self) -> Option<SessionRequest> {
        (self.session_id != 0).then(|| SessionRequest {
            session_id: self.session_id,
            session_epoch: FINAL_EPOCH,
            has_topic_ids: true,
            ..SessionRequest::default()
        })
    }

    /// The name of a topic in the session.
    pub(crate) fn topic_name(&self, id: Uuid) -> Option<&Arc<str>> {
        let known = self.partitions.iter().find(|(_, it)| it.topic_id == id);
        known.map(|(partition, _)| &partition.topic)
    }

    /// Draws the conclusions from an answer: `answered` are its partitions.
    ///
    /// # Errors
    /// The answer is not one to the request; the next one starts anew.
    pub(crate) fn on_response(
        &mut self,
        session_id: i32,
        answered: &[TopicPartition],
    ) -> Result<(), String> {
        let is_full = self.next_epoch == INITIAL_EPOCH;
        let strange = answered
            .iter()
            .find(|it| !self.partitions.contains_key(*it));
        if let Some(strange) = strange {
            self.restart();
            return Err(format!("{strange}, which was not asked for"));
        }
        if is_full && answered.len() < self.partitions.len() {
            self.restart();
            return Err("not all partitions of a full request".to_owned());
        }
        if session_id == 0 {
            // The broker has no place for the session.
            *self = Self::new();
        } else {
            self.session_id = session_id;
            self.next_epoch = following(self.next_epoch);
        }
        Ok(())
    }

    /// The whole request failed, with the broker's error or without an answer.
    pub(crate) fn on_error(&mut self, error: Option<ResponseError>) {
        if error == Some(ResponseError::FetchSessionIdNotFound) {
            *self = Self::new();
        } else {
            self.restart();
        }
    }

    /// The next request ends the session, if there is one, and opens another.
    fn restart(&mut self) {
        self.next_epoch = INITIAL_EPOCH;
        self.partitions.clear();
    }
}

/// Epochs of a session go from 1 to the largest and around.
fn following(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}

#[cfg(test)]
mod tests;
