//! Which transactional ids there are, over all brokers: each knows those that it coordinates.

use std::time::Duration;

use ringbrook_protocol::messages::{ListTransactionsRequest, ProducerId};

use super::TransactionState;
use crate::admin::driver::{at_coordinator, checked};
use crate::admin::wire::text;
use crate::admin::{Admin, Listed};
use crate::error::ClientError;

/// Which transactions are listed; empty filters leave nothing out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListTransactionsOptions {
    /// Only those in one of these states.
    pub states: Vec<TransactionState>,
    /// Only those of one of these producers.
    pub producer_ids: Vec<i64>,
    /// Only those that have been open for longer. Needs brokers of Kafka 3.8 or later.
    pub open_longer_than: Option<Duration>,
    /// Only those whose id matches this regular expression (RE2). Needs brokers of Kafka 4.1 or
    /// later.
    pub transactional_id_pattern: Option<String>,
}

/// A transactional id, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TransactionListing {
    /// The producer's `transactional.id`.
    pub transactional_id: String,
    /// The producer's id.
    pub producer_id: i64,
    /// Where its transaction stands.
    pub state: TransactionState,
    /// The broker that listed it: its coordinator.
    pub coordinator_id: i32,
}

impl ListTransactionsOptions {
    fn to_wire(&self, version: i16) -> Result<ListTransactionsRequest, ClientError> {
        let unsupported = |what: &str| {
            let text = format!("this broker is too old to list transactions by {what}");
            Err(ClientError::Unsupported(text))
        };
        if self.open_longer_than.is_some() && version < 1 {
            return unsupported("how long they are open");
        }
        if self.transactional_id_pattern.is_some() && version < 2 {
            return unsupported("a pattern of their ids");
        }
        let open_ms = self
            .open_longer_than
            .map(|it| i64::try_from(it.as_millis()));
        let pattern = self.transactional_id_pattern.as_deref();
        let states = self.states.iter().map(|state| text(state.name()));
        let ids = self.producer_ids.iter().copied().map(ProducerId);
        Ok(ListTransactionsRequest::default()
            .with_state_filters(states.collect())
            .with_producer_id_filters(ids.collect())
            .with_duration_filter(open_ms.map_or(-1, |it| it.unwrap_or(i64::MAX)))
            .with_transactional_id_pattern(pattern.map(text)))
    }
}

impl Admin {
    /// Lists transactional ids. What some brokers do not answer is missing; see [`Listed`].
    ///
    /// # Errors
    /// No broker says which brokers there are.
    pub async fn list_transactions(
        &self,
        options: &ListTransactionsOptions,
    ) -> Result<Listed<TransactionListing>, ClientError> {
        let call = self.begin("listing transactions", at_coordinator);
        let mut listed = self
            .every_node(
                call,
                |version| options.to_wire(version),
                |node, answer| {
                    checked(answer.error_code, None, || call.what.to_owned())?;
                    if let Some(state) = answer.unknown_state_filters.first() {
                        return Err(ClientError::InvalidArgument(format!(
                            "the broker does not know the state {state} of transactions"
                        )));
                    }
                    let listings = answer.transaction_states.into_iter();
                    let listings = listings.map(|it| TransactionListing {
                        transactional_id: it.transactional_id.to_string(),
                        producer_id: it.producer_id.0,
                        state: TransactionState::of_name(&it.transaction_state),
                        coordinator_id: node,
                    });
                    Ok(listings.collect())
                },
            )
            .await?;
        listed.items.sort();
        Ok(listed)
    }
}
