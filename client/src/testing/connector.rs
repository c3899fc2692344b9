//! Connections to fake brokers in memory.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::fake_cluster::Shared;
use super::metadata::NodeState;
use super::serving;
use crate::net::{Connector, HostPort, IoStream};

/// What a stream holds before its writer has to wait.
const PIPE_BYTES: usize = 1024 * 1024;

pub(super) struct FakeConnector {
    shared: Arc<Shared>,
}

impl FakeConnector {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Nobody at an unknown address.
    fn node_at(&self, address: &HostPort) -> Option<(i32, NodeState)> {
        let mut state = self.shared.lock();
        let (id, node) = state.nodes.at_mut(address)?;
        node.attempts.push(Instant::now());
        Some((id, node.state))
    }
}

impl Connector for FakeConnector {
    fn connect<'a>(
        &'a self,
        address: &'a HostPort,
    ) -> BoxFuture<'a, io::Result<Pin<Box<dyn IoStream>>>> {
        Box::pin(async move {
            let found = self.node_at(address);
            self.shared.tell();
            match found {
                Some((id, NodeState::Up)) => {
                    let (near, far) = tokio::io::duplex(PIPE_BYTES);
                    tokio::spawn(serving::serve(Arc::clone(&self.shared), id, far));
                    Ok(Box::pin(near) as Pin<Box<dyn IoStream>>)
                }
                Some((_, NodeState::Silent)) => std::future::pending().await,
                Some((_, NodeState::Refusing)) | None => {
                    Err(io::ErrorKind::ConnectionRefused.into())
                }
            }
        })
    }
}
