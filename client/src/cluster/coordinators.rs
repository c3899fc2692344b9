//! Which broker coordinates a group or a transactional id.

use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;
use ringbrook_protocol::messages::FindCoordinatorRequest;
use ringbrook_protocol::{ResponseError, StrBytes};

use super::Cluster;
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

impl Cluster {
    /// The id of the broker that coordinates `key`; asked once and remembered. One attempt.
    ///
    /// # Errors
    /// No broker can be asked, or none coordinates it now: retriable.
    pub async fn coordinator(&self, kind: CoordinatorKind, key: &str) -> Result<i32, ClientError> {
        let known = &self.inner.coordinators.0;
        let key: Key = (kind, key.into());
        let lock = || known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = lock().get(&key) {
            return Ok(*id);
        }
        let found = self.find_coordinator(kind, &key.1).await?;
        lock().insert(key, found);
        Ok(found)
    }

    /// The connection to the broker that coordinates `key`. One attempt.
    ///
    /// # Errors
    /// See [`Cluster::coordinator`]; or it cannot be reached, and is then looked for again.
    pub async fn coordinator_connection(
        &self,
        kind: CoordinatorKind,
        key: &str,
    ) -> Result<Connection, ClientError> {
        let id = self.coordinator(kind, key).await?;
        let connected = self.connection(id).await;
        if connected.is_err() {
            self.forget_coordinator(kind, key);
        }
        connected
    }

    /// It has moved, or its broker is away: it will be looked for again.
    pub fn forget_coordinator(&self, kind: CoordinatorKind, key: &str) {
        let mut known = self
            .inner
            .coordinators
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.remove(&(kind, Arc::from(key)));
    }

    async fn find_coordinator(&self, kind: CoordinatorKind, key: &str) -> Result<i32, ClientError> {
        let connection = self.any_connection().await?;
        let version = connection.version_of::<FindCoordinatorRequest>()?;
        let key_text = StrBytes::from_string(key.to_owned());
        let request = FindCoordinatorRequest::default().with_key_type(match kind {
            CoordinatorKind::Group => 0,
            CoordinatorKind::Transaction => 1,
        });
        // From version 4 on one request may ask for several.
        let request = if version < 4 {
            request.with_key(key_text)
        } else {
            request.with_coordinator_keys(vec![key_text])
        };
        let answer = connection.call(version, &request).await?;
        let (code, message, id, host, port) = match answer.coordinators.into_iter().next() {
            Some(it) => (
                it.error_code,
                it.error_message,
                it.node_id,
                it.host,
                it.port,
            ),
            None => (
                answer.error_code,
                answer.error_message,
                answer.node_id,
                answer.host,
                answer.port,
            ),
        };
        let subject = format!("finding the coordinator of {key}");
        if code != 0 {
            return Err(BrokerError::new(code, subject)
                .with_message(message.map(|text| text.to_string()))
                .into());
        }
        if self.metadata().node(id.0).is_none() {
            self.refresh().await?;
        }
        if self.metadata().node(id.0).is_none() {
            let unknown = ResponseError::CoordinatorNotAvailable.code();
            let text = format!("node {} at {host}:{port} is not in the metadata", id.0);
            return Err(BrokerError::new(unknown, subject)
                .with_message(Some(text))
                .into());
        }
        Ok(id.0)
    }
}
