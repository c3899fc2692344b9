//! A member by ConsumerGroupHeartbeat (KIP-848): the broker assigns.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use anyhow::ensure;
use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use ringbrook_protocol::messages::{ConsumerGroupHeartbeatRequest, GroupId};
use uuid::Uuid;

use super::link::Link;
use super::{Group, HEARTBEAT, REBALANCE_MS, TOPIC};
use crate::admin::topic_name;

const VERSION: i16 = 1;
/// COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR.
const NOT_YET: [i16; 3] = [14, 15, 16];

/// Joins, and stays until all members have their part.
pub(super) async fn member(group: Rc<Group>, index: usize) -> anyhow::Result<()> {
    let mut link = Link::connect(group.address).await?;
    let member_id = StrBytes::from_string(Uuid::new_v4().to_string());
    let first = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(GroupId(StrBytes::from_string(group.name.clone())))
        .with_member_id(member_id.clone())
        .with_member_epoch(0)
        .with_rebalance_timeout_ms(REBALANCE_MS)
        .with_subscribed_topic_names(Some(vec![topic_name(TOPIC)]))
        .with_topic_partitions(Some(Vec::new()));
    let mut request = first.clone();
    let mut owned = BTreeSet::new();
    while group.roster.completed_at().is_none() {
        let answer = link.call(&request, VERSION).await?;
        if NOT_YET.contains(&answer.error_code) {
            tokio::time::sleep(HEARTBEAT).await;
            continue;
        }
        ensure!(
            answer.error_code == 0,
            "heartbeat refused with {}: {:?}",
            answer.error_code,
            answer.error_message
        );
        // What does not change is left out, as KIP-848 wants it.
        request = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(first.group_id.clone())
            .with_member_id(member_id.clone())
            .with_member_epoch(answer.member_epoch)
            .with_rebalance_timeout_ms(-1)
            .with_subscribed_topic_names(None)
            .with_topic_partitions(None);
        let assigned = answer.assignment.map(|assignment| {
            let topics = assignment.topic_partitions.into_iter();
            topics.flat_map(|it| it.partitions).collect::<BTreeSet<_>>()
        });
        let has_changed = assigned.as_ref().is_some_and(|assigned| *assigned != owned);
        owned = assigned.unwrap_or(owned);
        group
            .roster
            .assigned(index, answer.member_epoch, owned.clone());
        if has_changed {
            // Told at once, so that others can have what was given up.
            let own = TopicPartitions::default()
                .with_topic_id(group.topic)
                .with_partitions(owned.iter().copied().collect());
            request.topic_partitions = Some(vec![own]);
        } else {
            let interval_ms = u64::try_from(answer.heartbeat_interval_ms)?;
            tokio::time::sleep(Duration::from_millis(interval_ms)).await;
        }
    }
    Ok(())
}
