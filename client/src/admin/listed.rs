//! What all brokers together list.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use ringbrook_protocol::Request;

use super::Admin;
use super::driver::Call;
use crate::cluster::Target;
use crate::error::ClientError;

/// What brokers have listed, and which brokers have failed to.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    /// From all brokers that answered.
    pub items: Vec<T>,
    /// The brokers that did not, by id.
    pub errors: BTreeMap<i32, ClientError>,
}

impl<T> Listed<T> {
    /// The items of all brokers.
    ///
    /// # Errors
    /// Some broker has failed.
    pub fn all(self) -> Result<Vec<T>, ClientError> {
        match self.errors.into_values().next() {
            Some(error) => Err(error),
            None => Ok(self.items),
        }
    }
}

impl Admin {
    /// Asks every broker, all at the same time, each until it answers or time is up.
    ///
    /// # Errors
    /// No broker says which brokers there are.
    pub(super) async fn every_node<R: Request + 'static, T>(
        &self,
        call: Call,
        build: impl Fn(i16) -> Result<R, ClientError>,
        read: impl Fn(i32, R::Response) -> Result<Vec<T>, ClientError>,
    ) -> Result<Listed<T>, ClientError> {
        let nodes = self.all_nodes(call).await?;
        let (build, read) = (&build, &read);
        let listing = self.drive(call, nodes, async |open: Vec<i32>| {
            let asking = open.iter().map(|node| {
                let read = |answer| Ok(vec![(*node, Ok(read(*node, answer)?))]);
                self.ask(
                    call,
                    Target::Node(*node),
                    std::slice::from_ref(node),
                    build,
                    read,
                )
            });
            join_all(asking).await.into_iter().flatten().collect()
        });
        let mut listed = Listed {
            items: Vec::new(),
            errors: BTreeMap::new(),
        };
        for (node, items) in listing.await {
            match items {
                Ok(items) => listed.items.extend(items),
                Err(error) => {
                    listed.errors.insert(node, error);
                }
            }
        }
        Ok(listed)
    }
}
