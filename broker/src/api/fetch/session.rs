//! Fetch sessions (KIP-227): a client names its partitions once and then only what changed.
//!
//! A bounded cache shared by all cores. A client that gets no session (id 0) keeps sending full
//! fetches, which is always correct. Kafka: `FetchManager`, `FetchSession`, `FetchContext`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::{FetchRequest, TopicName};
use uuid::Uuid;

use super::read::{Interest, PartitionRead};
use crate::api::error::NONE;

/// Session id of a fetch without a session.
const NO_SESSION: i32 = 0;
/// Epoch of a full fetch that wants a session.
const INITIAL_EPOCH: i32 = 0;
/// Epoch of a full fetch that wants none, and closes the session it names.
const FINAL_EPOCH: i32 = -1;
/// A session unused for this long gives way to a new one.
const EVICTION_MS: i64 = 120_000;

type PartitionKey = (TopicName, Uuid, i32);

/// What a session remembers of a partition.
struct CachedPartition {
    interest: Interest,
    /// What the client was last told; `None` before the first answer.
    told: Option<(i64, i64)>,
}

/// One client's session. Partitions are kept in the order in which they are to be read: one that
/// had data goes to the end, so that no partition starves the others.
pub(super) struct Session {
    next_epoch: i32,
    uses_topic_ids: bool,
    last_used_ms: i64,
    next_place: u64,
    places: HashMap<PartitionKey, u64>,
    partitions: BTreeMap<u64, CachedPartition>,
}

/// The broker's fetch sessions.
pub(crate) struct FetchSessions {
    sessions_max: usize,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    sessions: HashMap<i32, Arc<Mutex<Session>>>,
    last_id: i32,
}

/// The session part of one fetch, from its request to its response.
pub(super) enum SessionContext {
    /// All partitions are in the request, and all are answered.
    Sessionless,
    /// All partitions are in the request, all are answered and remembered.
    Full {
        id: i32,
        session: Arc<Mutex<Session>>,
    },
    /// Partitions come from the session; only changes are answered.
    Incremental {
        id: i32,
        session: Arc<Mutex<Session>>,
    },
}

impl FetchSessions {
    /// `sessions_max` is `max.incremental.fetch.session.cache.slots`; 0 turns sessions off.
    pub(crate) fn new(sessions_max: usize) -> Self {
        Self {
            sessions_max,
            cache: Mutex::default(),
        }
    }

    /// Finds or makes the session of `request`.
    ///
    /// # Errors
    /// Unknown session, wrong epoch, or a change between topic names and ids.
    pub(super) fn begin(
        &self,
        request: &mut FetchRequest,
        uses_topic_ids: bool,
        now_ms: i64,
    ) -> Result<SessionContext, ResponseError> {
        let (id, epoch) = (request.session_id, request.session_epoch);
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if epoch == FINAL_EPOCH || epoch == INITIAL_EPOCH {
            if id != NO_SESSION {
                cache.sessions.remove(&id);
            }
            if epoch == FINAL_EPOCH {
                return Ok(SessionContext::Sessionless);
            }
            return Ok(self.create(&mut cache, request, uses_topic_ids, now_ms));
        }
        let session = cache
            .sessions
            .get(&id)
            .ok_or(ResponseError::FetchSessionIdNotFound)?;
        let session = Arc::clone(session);
        drop(cache);
        let mut state = session.lock().unwrap_or_else(PoisonError::into_inner);
        if state.uses_topic_ids != uses_topic_ids {
            return Err(ResponseError::FetchSessionTopicIdError);
        }
        if state.next_epoch != epoch {
            return Err(ResponseError::InvalidFetchSessionEpoch);
        }
        state.next_epoch = next_epoch(epoch);
        state.last_used_ms = now_ms;
        state.forget(request);
        state.remember(request);
        drop(state);
        Ok(SessionContext::Incremental { id, session })
    }

    fn create(
        &self,
        cache: &mut Cache,
        request: &FetchRequest,
        uses_topic_ids: bool,
        now_ms: i64,
    ) -> SessionContext {
        if request.topics.is_empty() || !self.make_room(cache, now_ms) {
            return SessionContext::Sessionless;
        }
        let mut id = next_epoch(cache.last_id);
        while cache.sessions.contains_key(&id) {
            id = next_epoch(id);
        }
        cache.last_id = id;
        let mut session = Session {
            next_epoch: next_epoch(INITIAL_EPOCH),
            uses_topic_ids,
            last_used_ms: now_ms,
            next_place: 0,
            places: HashMap::new(),
            partitions: BTreeMap::new(),
        };
        session.remember(request);
        let session = Arc::new(Mutex::new(session));
        cache.sessions.insert(id, Arc::clone(&session));
        SessionContext::Full { id, session }
    }

    /// Whether there is a free slot, if need be after removing the session unused for longest.
    fn make_room(&self, cache: &mut Cache, now_ms: i64) -> bool {
        if cache.sessions.len() < self.sessions_max {
            return true;
        }
        let oldest = cache
            .sessions
            .iter()
            .map(|(id, session)| {
                let session = session.lock().unwrap_or_else(PoisonError::into_inner);
                (session.last_used_ms, *id)
            })
            .min();
        match oldest {
            Some((last_used_ms, id)) if EVICTION_MS < now_ms - last_used_ms => {
                cache.sessions.remove(&id);
                true
            }
            _ => false,
        }
    }
}

/// Epochs and ids run from 1 to `i32::MAX` and begin again at 1.
fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}

impl Session {
    fn remember(&mut self, request: &FetchRequest) {
        for interest in requested(request) {
            let key = (interest.topic.clone(), interest.topic_id, interest.index);
            if let Some(place) = self.places.get(&key) {
                if let Some(cached) = self.partitions.get_mut(place) {
                    cached.interest = interest;
                }
                continue;
            }
            let place = self.next_place;
            self.next_place += 1;
            self.places.insert(key, place);
            self.partitions.insert(
                place,
                CachedPartition {
                    interest,
                    told: None,
                },
            );
        }
    }

    fn forget(&mut self, request: &FetchRequest) {
        for topic in &request.forgotten_topics_data {
            for index in &topic.partitions {
                let key = (topic.topic.clone(), topic.topic_id, *index);
                if let Some(place) = self.places.remove(&key) {
                    self.partitions.remove(&place);
                }
            }
        }
    }

    /// Notes what the client is being told; whether the partition belongs into the answer.
    fn tell(&mut self, interest: &Interest, read: &PartitionRead) -> bool {
        let key = (interest.topic.clone(), interest.topic_id, interest.index);
        let Some(place) = self.places.get(&key).copied() else {
            return true;
        };
        let Some(cached) = self.partitions.get_mut(&place) else {
            return true;
        };
        let now = (read.high_watermark, read.log_start_offset);
        let is_changed = cached.told != Some(now);
        // After an error the next answer is a change whatever it says.
        cached.told = (read.error_code == NONE).then_some(now);
        if read.bytes != 0
            && let Some(cached) = self.partitions.remove(&place)
        {
            let place = self.next_place;
            self.next_place += 1;
            self.places.insert(key, place);
            self.partitions.insert(place, cached);
        }
        is_changed || read.bytes != 0 || read.error_code != NONE || read.diverging.is_some()
    }
}

impl SessionContext {
    /// The partitions to read, in order.
    pub(super) fn interests(&self, request: &FetchRequest) -> Vec<Interest> {
        match self {
            SessionContext::Sessionless | SessionContext::Full { .. } => {
                requested(request).collect()
            }
            SessionContext::Incremental { session, .. } => {
                let session = session.lock().unwrap_or_else(PoisonError::into_inner);
                session
                    .partitions
                    .values()
                    .map(|cached| cached.interest.clone())
                    .collect()
            }
        }
    }

    /// The session id of the response.
    pub(super) fn response_id(&self) -> i32 {
        match self {
            SessionContext::Sessionless => NO_SESSION,
            SessionContext::Full { id, .. } | SessionContext::Incremental { id, .. } => *id,
        }
    }

    /// Which of the partitions read belong into the answer; remembers what the client is told.
    pub(super) fn end(&self, interests: &[Interest], reads: &[PartitionRead]) -> Vec<bool> {
        let (session, is_full) = match self {
            SessionContext::Sessionless => return vec![true; interests.len()],
            SessionContext::Full { session, .. } => (session, true),
            SessionContext::Incremental { session, .. } => (session, false),
        };
        let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
        let told = interests
            .iter()
            .zip(reads)
            .map(|(interest, read)| session.tell(interest, read));
        told.map(|is_told| is_told || is_full).collect()
    }
}

fn requested(request: &FetchRequest) -> impl Iterator<Item = Interest> + '_ {
    request.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| Interest {
            topic: topic.topic.clone(),
            topic_id: topic.topic_id,
            index: partition.partition,
            fetch_offset: partition.fetch_offset,
            max_bytes: partition.partition_max_bytes,
            current_leader_epoch: partition.current_leader_epoch,
            last_fetched_epoch: partition.last_fetched_epoch,
        })
    })
}

#[cfg(test)]
mod tests;
