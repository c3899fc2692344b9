//! The heartbeat: everything when the member joins, then only what has changed.

use ringbrook_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use ringbrook_protocol::messages::{ConsumerGroupHeartbeatRequest, TopicName};

use super::{Assigned, ConsumerMember, JOIN_EPOCH, Sent};
use crate::consumer::group::settings::{millis, text};

impl ConsumerMember {
    pub(super) fn heartbeat(&mut self, epoch: i32) -> ConsumerGroupHeartbeatRequest {
        let request = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(self.settings.group())
            .with_member_id(text(&self.member_id))
            .with_member_epoch(epoch)
            .with_instance_id(self.settings.instance())
            .with_rebalance_timeout_ms(-1)
            .with_subscribed_topic_names(None)
            .with_topic_partitions(None);
        if epoch < JOIN_EPOCH {
            return request;
        }
        let wanted = self.wanted.clone().unwrap_or_default();
        let sent = self.sent.take();
        let is_all = epoch == JOIN_EPOCH || sent.is_none();
        let mut request = request;
        if is_all {
            request = request
                .with_rebalance_timeout_ms(millis(self.settings.max_poll_interval))
                .with_server_assignor(self.settings.remote_assignor.as_deref().map(text))
                .with_rack_id(self.settings.rack_id.as_deref().map(text));
        }
        let sent_wanted = sent.as_ref().map(|sent| &sent.wanted).filter(|_| !is_all);
        if sent_wanted.is_none_or(|it| it.topics != wanted.topics) {
            let topics = wanted.topics.iter().map(|it| TopicName(text(it))).collect();
            request = request.with_subscribed_topic_names(Some(topics));
        }
        let sent_pattern = sent_wanted.and_then(|it| it.broker_pattern.as_ref());
        if sent_pattern != wanted.broker_pattern.as_ref() {
            // Empty means that there is none any more.
            let pattern = wanted.broker_pattern.as_deref().unwrap_or_default();
            request = request.with_subscribed_topic_regex(Some(text(pattern)));
        }
        let sent_current = sent.as_ref().map(|sent| &sent.current);
        if is_all || sent_current != Some(&self.current) {
            request = request.with_topic_partitions(Some(listed(self.current.as_ref())));
        }
        self.sent = Some(Sent {
            wanted,
            current: self.current.clone(),
        });
        request
    }
}

fn listed(assigned: Option<&Assigned>) -> Vec<TopicPartitions> {
    let topics = assigned.into_iter().flatten();
    topics
        .map(|(id, partitions)| {
            TopicPartitions::default()
                .with_topic_id(*id)
                .with_partitions(partitions.iter().copied().collect())
        })
        .collect()
}
