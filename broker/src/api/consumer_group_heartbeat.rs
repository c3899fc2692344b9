//! ConsumerGroupHeartbeat (68): a member of a consumer group joins, lives, leaves, and learns which
//! partitions it may own (KIP-848).
//!
//! Versions 0-1; from version 1 on members subscribe by regular expression and make their ids
//! themselves. Kafka: `KafkaApis.handleConsumerGroupHeartbeat`.

use std::collections::BTreeSet;

use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::consumer_group_heartbeat_response::{
    Assignment as WireAssignment, TopicPartitions,
};
use ringbrook_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};

use super::RequestContext;
use super::group_names::{owned, owned_option, wire};
use crate::group::assignor::Assignment;
use crate::group::{ConsumerHeartbeat, ConsumerHeartbeatAnswer, GroupError, Refused};

/// First version whose members make their ids themselves (KIP-1082).
const OWN_MEMBER_ID_VERSION: i16 = 1;

/// Waits until what the answer says is on disk.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: ConsumerGroupHeartbeatRequest,
) -> ConsumerGroupHeartbeatResponse {
    let groups = &ctx.broker().groups;
    if !groups.allows_consumer_protocol() {
        return response(Err(GroupError::UnsupportedVersion.into()));
    }
    // As Java prints an address; tools show it.
    let client_host = format!("/{}", ctx.connection.peer.ip().to_canonical());
    let heartbeat = domain(ctx.api_version, ctx.client_id(), &client_host, &request);
    response(groups.consumer_group_heartbeat(heartbeat).await)
}

fn domain(
    version: i16,
    client_id: &str,
    client_host: &str,
    request: &ConsumerGroupHeartbeatRequest,
) -> ConsumerHeartbeat {
    let names = request.subscribed_topic_names.as_ref();
    let reported = request.topic_partitions.as_ref().map(|topics| {
        let mut reported = Assignment::new();
        for topic in topics {
            let partitions: &mut BTreeSet<i32> = reported.entry(topic.topic_id).or_default();
            partitions.extend(&topic.partitions);
        }
        reported.retain(|_, partitions| !partitions.is_empty());
        reported
    });
    ConsumerHeartbeat {
        group_id: owned(&request.group_id),
        member_id: owned(&request.member_id),
        member_epoch: request.member_epoch,
        instance_id: owned_option(request.instance_id.as_ref()),
        rack_id: owned_option(request.rack_id.as_ref()),
        rebalance_timeout_ms: Some(request.rebalance_timeout_ms).filter(|it| *it != -1),
        subscribed_topic_names: names.map(|names| names.iter().map(|name| owned(name)).collect()),
        subscribed_topic_regex: owned_option(request.subscribed_topic_regex.as_ref()),
        server_assignor: owned_option(request.server_assignor.as_ref()),
        owned: reported,
        client_id: client_id.into(),
        client_host: client_host.into(),
        generates_member_id: OWN_MEMBER_ID_VERSION <= version,
    }
}

fn response(answer: Result<ConsumerHeartbeatAnswer, Refused>) -> ConsumerGroupHeartbeatResponse {
    let response = ConsumerGroupHeartbeatResponse::default();
    match answer {
        Ok(answer) => response
            .with_member_id(Some(wire(&answer.member_id)))
            .with_member_epoch(answer.member_epoch)
            .with_heartbeat_interval_ms(answer.heartbeat_interval_ms)
            .with_assignment(answer.assignment.as_ref().map(assignment)),
        Err(refused) => response
            .with_error_code(refused.error.kafka_code())
            .with_error_message(Some(StrBytes::from_string(refused.message))),
    }
}

fn assignment(assignment: &Assignment) -> WireAssignment {
    let topics = assignment.iter().map(|(topic_id, partitions)| {
        TopicPartitions::default()
            .with_topic_id(*topic_id)
            .with_partitions(partitions.iter().copied().collect())
    });
    WireAssignment::default().with_topic_partitions(topics.collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::BytesMut;
    use ringbrook_protocol::Encodable;
    use ringbrook_protocol::messages::TopicName;
    use ringbrook_protocol::messages::consumer_group_heartbeat_request as wire_request;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_is_absent_on_the_wire_is_absent_in_the_domain() {
        let request = ConsumerGroupHeartbeatRequest::default().with_rebalance_timeout_ms(-1);
        let beat = domain(0, "c", "/127.0.0.1", &request);
        assert_eq!(beat.rebalance_timeout_ms, None);
        assert_eq!(beat.subscribed_topic_names, None);
        assert_eq!(beat.owned, None);
        assert!(!beat.generates_member_id);

        let topic = wire_request::TopicPartitions::default()
            .with_topic_id(Uuid::from_u128(7))
            .with_partitions(vec![2, 1, 2]);
        let empty = wire_request::TopicPartitions::default().with_topic_id(Uuid::from_u128(8));
        let name = TopicName(StrBytes::from_static_str("t"));
        let request = ConsumerGroupHeartbeatRequest::default()
            .with_rebalance_timeout_ms(5)
            .with_subscribed_topic_names(Some(vec![name.clone(), name]))
            .with_topic_partitions(Some(vec![topic, empty]));
        let beat = domain(1, "c", "/127.0.0.1", &request);
        assert_eq!(beat.rebalance_timeout_ms, Some(5));
        assert_eq!(beat.subscribed_topic_names, Some([Arc::from("t")].into()));
        let owned = [(Uuid::from_u128(7), [1, 2].into())].into();
        assert_eq!(beat.owned, Some(owned), "no topic without partitions");
        assert!(beat.generates_member_id);
    }

    #[test]
    fn answers_can_be_encoded_in_every_version() {
        let answer = ConsumerHeartbeatAnswer {
            member_id: Arc::from("m"),
            member_epoch: 3,
            heartbeat_interval_ms: 5000,
            assignment: Some([(Uuid::from_u128(7), [0, 1].into())].into()),
        };
        for version in 0..=1 {
            for result in [
                Ok(answer.clone()),
                Err(GroupError::FencedMemberEpoch.into()),
            ] {
                response(result)
                    .encode(&mut BytesMut::new(), version)
                    .unwrap();
            }
        }
        let refused = response(Err(GroupError::FencedMemberEpoch.into()));
        assert_eq!(refused.error_code, 110);
        assert!(refused.assignment.is_none() && refused.error_message.is_some());
    }
}
