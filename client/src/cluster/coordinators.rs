//! Which broker coordinates a group or a transactional id.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use ringbrook_protocol::messages::find_coordinator_response::Coordinator;
use ringbrook_protocol::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use ringbrook_protocol::{ResponseError, StrBytes};

use super::Cluster;
use super::connections::Purpose;
use crate::error::{BrokerError, ClientError};
use crate::net::Connection;

/// What is coordinated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CoordinatorKind {
    /// A group, by its id.
    Group,
    /// A producer's transactions, by `transactional.id`.
    Transaction,
}

type Key = (CoordinatorKind, Arc<str>);

#[derive(Default)]
pub(super) struct Coordinators(Mutex<HashMap<Key, i32>>);

impl Coordinators {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, i32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a broker says about one key.
struct Found {
    key: String,
    code: i16,
    message: Option<String>,
    id: i32,
    address: String,
}

impl Found {
    fn failed(&self, code: i16, message: Option<String>) -> ClientError {
        BrokerError::new(code, format!("finding the coordinator of {}", self.key))
            .with_message(message)
            .into()
    }
}

impl Cluster {
    /// The id of the broker that coordinates `key`; asked once and remembered. One attempt.
    ///
    /// # Errors
    /// No broker can be asked, or none coordinates it now: retriable.
    pub async fn coordinator(&self, kind: CoordinatorKind, key: &str) -> Result<i32, ClientError> {
        let known = self
            .inner
            .coordinators
            .lock()
            .get(&(kind, key.into()))
            .copied();
        if let Some(id) = known {
            return Ok(id);
        }
        let found = self.find_coordinators(kind, &[key.to_owned()]).await?;
        let mut found = found.into_iter().filter(|found| found.key == key);
        let found = found.next().ok_or_else(|| left_out(key))?;
        self.remember(kind, found).await
    }

    /// The ids of the brokers that coordinate `keys`, each asked for once and remembered; one
    /// request for all of them where brokers can (KIP-699). One attempt.
    pub async fn coordinators(
        &self,
        kind: CoordinatorKind,
        keys: &[String],
    ) -> Vec<(String, Result<i32, ClientError>)> {
        let mut results = Vec::with_capacity(keys.len());
        let mut unknown = Vec::new();
        {
            let known = self.inner.coordinators.lock();
            for key in keys {
                match known.get(&(kind, Arc::from(key.as_str()))) {
                    Some(id) => results.push((key.clone(), Ok(*id))),
                    None => unknown.push(key.clone()),
                }
            }
        }
        if unknown.is_empty() {
            return results;
        }
        match self.find_coordinators(kind, &unknown).await {
            Ok(all) => {
                let mut all: HashMap<String, Found> = all
                    .into_iter()
                    .map(|found| (found.key.clone(), found))
                    .collect();
                for key in unknown {
                    let found = match all.remove(&key) {
                        Some(found) => self.remember(kind, found).await,
                        None => Err(left_out(&key)),
                    };
                    results.push((key, found));
                }
            }
            Err(error) => {
                let unknown = unknown.into_iter();
                results.extend(unknown.map(|key| (key, Err(error.clone()))));
            }
        }
        results
    }

    /// The connection to the broker that coordinates `key`. That of a group is apart from all
    /// others: a broker lets members wait for each other. One attempt.
    ///
    /// # Errors
    /// See [`Cluster::coordinator`]; or it cannot be reached, and is then looked for again.
    pub async fn coordinator_connection(
        &self,
        kind: CoordinatorKind,
        key: &str,
    ) -> Result<Connection, ClientError> {
        let purpose = match kind {
            CoordinatorKind::Group => Purpose::Group,
            CoordinatorKind::Transaction => Purpose::Ordinary,
        };
        let id = self.coordinator(kind, key).await?;
        let connected = self.connection_for(purpose, id).await;
        if connected.is_err() {
            self.forget_coordinator(kind, key);
        }
        connected
    }

    /// It has moved, or its broker is away: it will be looked for again.
    pub fn forget_coordinator(&self, kind: CoordinatorKind, key: &str) {
        let mut known = self.inner.coordinators.lock();
        known.remove(&(kind, Arc::from(key)));
    }

    async fn find_coordinators(
        &self,
        kind: CoordinatorKind,
        keys: &[String],
    ) -> Result<Vec<Found>, ClientError> {
        let connection = self.any_connection().await?;
        let version = connection.version_of::<FindCoordinatorRequest>()?;
        let request = FindCoordinatorRequest::default().with_key_type(match kind {
            CoordinatorKind::Group => 0,
            CoordinatorKind::Transaction => 1,
        });
        let text = |key: &String| StrBytes::from_string(key.clone());
        // From version 4 on one request may ask for several.
        if 4 <= version {
            let request = request.with_coordinator_keys(keys.iter().map(text).collect());
            let answer = connection.call(version, &request).await?;
            return Ok(answer.coordinators.into_iter().map(Found::from).collect());
        }
        let mut all = Vec::with_capacity(keys.len());
        for key in keys {
            let request = request.clone().with_key(text(key));
            let answer = connection.call(version, &request).await?;
            all.push(Found::of_one(key, answer));
        }
        Ok(all)
    }

    async fn remember(&self, kind: CoordinatorKind, found: Found) -> Result<i32, ClientError> {
        if found.code != 0 {
            return Err(found.failed(found.code, found.message.clone()));
        }
        if self.metadata().node(found.id).is_none() {
            self.refresh().await?;
        }
        if self.metadata().node(found.id).is_none() {
            let code = ResponseError::CoordinatorNotAvailable.code();
            let (id, address) = (found.id, &found.address);
            let text = format!("node {id} at {address} is not in the metadata");
            return Err(found.failed(code, Some(text)));
        }
        let mut known = self.inner.coordinators.lock();
        known.insert((kind, found.key.into()), found.id);
        Ok(found.id)
    }
}

fn left_out(key: &str) -> ClientError {
    let code = ResponseError::CoordinatorNotAvailable.code();
    BrokerError::new(code, format!("finding the coordinator of {key}"))
        .with_message(Some("the answer leaves it out"))
        .into()
}

impl From<Coordinator> for Found {
    fn from(it: Coordinator) -> Self {
        Self {
            key: it.key.to_string(),
            code: it.error_code,
            message: it.error_message.map(|text| text.to_string()),
            id: it.node_id.0,
            address: format!("{}:{}", it.host, it.port),
        }
    }
}

impl Found {
    /// From an answer of the versions below 4, which do not name the key.
    fn of_one(key: &str, it: FindCoordinatorResponse) -> Self {
        Self {
            key: key.to_owned(),
            code: it.error_code,
            message: it.error_message.map(|text| text.to_string()),
            id: it.node_id.0,
            address: format!("{}:{}", it.host, it.port),
        }
    }
}
