//! Subscribing, and what concerns the membership that follows from it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
use tokio::time::Instant;

use super::group::settings::GroupMembershipOperation;
use super::group_coordinator::GroupCoordinator;
use super::listener::RebalanceListener;
use super::shared::Shared;
use super::subscription_state::Subscription;
use super::{Consumer, ConsumerGroupMetadata};
use crate::config::GroupProtocol;
use crate::error::ClientError;

impl<K, V> Consumer<K, V> {
    /// Reads these topics as a member of its group, which decides about partitions. Replaces an
    /// earlier subscription. The group is joined by `poll`.
    ///
    /// ```no_run
    /// # use ringbrook_client::{ClientError, consumer::Consumer};
    /// # fn example(consumer: &Consumer) -> Result<(), ClientError> {
    /// consumer.subscribe(["orders", "payments"])?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// There is no `group.id`, no topic, or an assignment by hand.
    pub fn subscribe<T: Into<Arc<str>>>(
        &self,
        topics: impl IntoIterator<Item = T>,
    ) -> Result<(), ClientError> {
        self.subscribe_to(topics_of(topics)?, None)
    }

    /// As [`Consumer::subscribe`]; `listener` is told which partitions come and go.
    ///
    /// # Errors
    /// See [`Consumer::subscribe`].
    pub fn subscribe_with<T: Into<Arc<str>>>(
        &self,
        topics: impl IntoIterator<Item = T>,
        listener: impl RebalanceListener + 'static,
    ) -> Result<(), ClientError> {
        self.subscribe_to(topics_of(topics)?, Some(Arc::new(listener)))
    }

    /// Reads all topics whose names match a regular expression as a whole, also those that are
    /// created later: they are noticed when metadata is refreshed, by `metadata.max.age.ms` at the
    /// latest. The expression is of the `regex` crate and matched here; internal topics are passed
    /// over unless `exclude.internal.topics` is false.
    ///
    /// # Errors
    /// The expression is not one; or see [`Consumer::subscribe`].
    pub fn subscribe_pattern(
        &self,
        pattern: &str,
        listener: Option<Arc<dyn RebalanceListener>>,
    ) -> Result<(), ClientError> {
        let whole = Regex::new(&format!("^(?:{pattern})$")).map_err(|error| {
            ClientError::InvalidArgument(format!("\"{pattern}\" is no regular expression: {error}"))
        })?;
        self.subscribe_to(Subscription::Pattern(whole, BTreeSet::new()), listener)
    }

    /// As [`Consumer::subscribe_pattern`], but the broker matches the expression, in the language
    /// of RE2 (Kafka's `SubscriptionPattern`). Only with `group.protocol=consumer`.
    ///
    /// # Errors
    /// The group's protocol is the classic one; or see [`Consumer::subscribe`]. That the expression
    /// is not one, shows in `poll`.
    pub fn subscribe_broker_pattern(
        &self,
        pattern: &str,
        listener: Option<Arc<dyn RebalanceListener>>,
    ) -> Result<(), ClientError> {
        if self.shared.config.group_protocol != GroupProtocol::Consumer {
            return Err(ClientError::Unsupported(
                "with group.protocol=classic the broker matches no patterns: use \
                 subscribe_pattern, or set group.protocol=consumer"
                    .to_owned(),
            ));
        }
        if pattern.is_empty() {
            return Err(ClientError::InvalidArgument(
                "an empty pattern matches no topic".to_owned(),
            ));
        }
        self.subscribe_to(Subscription::BrokerPattern(pattern.into()), listener)
    }

    fn subscribe_to(
        &self,
        subscription: Subscription,
        listener: Option<Arc<dyn RebalanceListener>>,
    ) -> Result<(), ClientError> {
        self.shared.check_open()?;
        self.group()?.subscribe(subscription, listener)
    }

    /// The topics subscribed to, or matched by the pattern now; empty when the broker matches it.
    #[must_use]
    pub fn subscription(&self) -> BTreeSet<Arc<str>> {
        self.shared.lock().subscriptions.subscribed_topics()
    }

    /// Gives up all partitions, leaves the group and ends subscription or assignment. Listeners
    /// run in here; with `enable.auto.commit` positions are committed first.
    ///
    /// Dropping the future ends the subscription at once. A step of the rebalance that is not done,
    /// with its commit and listener, goes on with the next poll after another subscription, or
    /// with `close`; until then the group may not know.
    ///
    /// # Errors
    /// The group could not be told within `default.api.timeout.ms`; it notices when the session
    /// times out. The subscription is ended all the same.
    pub async fn unsubscribe(&self) -> Result<(), ClientError> {
        self.shared.check_open()?;
        let deadline = Instant::now() + self.shared.config.default_api_timeout;
        let left = match &self.coordinator {
            Some(coordinator) => coordinator.unsubscribe(deadline).await,
            None => {
                self.shared.lock().subscriptions.unsubscribe();
                Ok(())
            }
        };
        self.shared.assignment_changed();
        left
    }

    /// As [`Consumer::close_within`], with a say in what becomes of the membership (KIP-1092).
    /// For what becomes of it when the future is dropped see [`Consumer::close`].
    ///
    /// # Errors
    /// See [`Consumer::close_within`].
    pub async fn close_with(
        &self,
        operation: GroupMembershipOperation,
        timeout: Duration,
    ) -> Result<(), ClientError> {
        let deadline = crate::clock::deadline_after(timeout);
        let closed = EndOfConsumer(&self.shared);
        let left = match &self.coordinator {
            Some(coordinator) if !self.shared.is_closed() => {
                coordinator.close(operation, deadline).await
            }
            _ => Ok(()),
        };
        drop(closed);
        self.stop_within(deadline).await;
        left
    }

    /// Who this consumer is in its group, for a producer's transaction that commits its offsets.
    ///
    /// # Errors
    /// There is no `group.id`.
    pub fn group_metadata(&self) -> Result<ConsumerGroupMetadata, ClientError> {
        let inner = &self.group()?.inner;
        let identity = inner.seat.lock().identity();
        let mut metadata = ConsumerGroupMetadata::new(Arc::clone(inner.group_id()));
        metadata.generation_id = identity.generation_id;
        metadata.member_id = identity.member_id;
        let instance_id = self.shared.config.group_instance_id.as_deref();
        metadata.group_instance_id = instance_id.map(Arc::from);
        Ok(metadata)
    }

    /// Has the group rebalance with the next poll: for assignors that decide by more than the
    /// subscriptions, after that has changed. Does nothing with `group.protocol=consumer`.
    ///
    /// # Errors
    /// There is no `group.id`.
    pub fn enforce_rebalance(&self, reason: &str) -> Result<(), ClientError> {
        let seat = &self.group()?.inner.seat;
        seat.lock().enforce_rebalance(reason);
        seat.wake_task();
        Ok(())
    }

    /// The group's side.
    pub(super) fn group(&self) -> Result<&Arc<GroupCoordinator>, ClientError> {
        self.coordinator.as_ref().ok_or_else(|| {
            ClientError::InvalidArgument(
                "this needs a group: set group.id, or assign partitions by hand".to_owned(),
            )
        })
    }
}

/// Closes the consumer when it goes, however far leaving the group has come.
struct EndOfConsumer<'a>(&'a Shared);

impl Drop for EndOfConsumer<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn topics_of<T: Into<Arc<str>>>(
    topics: impl IntoIterator<Item = T>,
) -> Result<Subscription, ClientError> {
    let topics: BTreeSet<Arc<str>> = topics.into_iter().map(Into::into).collect();
    if topics.is_empty() || topics.iter().any(|topic| topic.trim().is_empty()) {
        return Err(ClientError::InvalidArgument(
            "a subscription needs topics, each with a name; call unsubscribe to end one".to_owned(),
        ));
    }
    Ok(Subscription::Topics(topics))
}
