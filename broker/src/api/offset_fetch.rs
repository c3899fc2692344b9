//! OffsetFetch (9): how far groups have come.
//!
//! Versions 1-9; one group up to version 7, several from version 8 on. No list of topics means all
//! (version 2 and newer); from version 7 on the client may insist on stable offsets, and gets
//! UNSTABLE_OFFSET_COMMIT for those an open transaction is about to replace. An unknown group has
//! no offsets, which is no error. Version 1 has no place for an error of the group, so
//! each partition carries it. Kafka: `KafkaApis.handleOffsetFetchRequest`.

use std::sync::Arc;

use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use ringbrook_protocol::messages::{OffsetFetchRequest, OffsetFetchResponse, TopicName};

use super::RequestContext;
use super::group_names::{owned, wire};
use crate::controller::MetadataImage;
use crate::group::{
    FetchedOffset, FetchedTopic, FetchingMember, GroupError, OffsetSelection, TopicToFetch,
};

/// First version with an error of the whole group.
const GROUP_ERROR_VERSION: i16 = 2;
/// First version with several groups.
const BATCH_VERSION: i16 = 8;
/// There is no committed offset.
const INVALID_OFFSET: i64 = -1;

type Fetched = Result<Vec<FetchedTopic>, GroupError>;

/// Answers for each group on its own.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: OffsetFetchRequest,
) -> OffsetFetchResponse {
    let groups = &ctx.broker().groups;
    let stable = request.require_stable;
    if ctx.api_version < BATCH_VERSION {
        let topics = request.topics.as_ref().map(|topics| {
            let named = topics
                .iter()
                .map(|topic| (&topic.name, &topic.partition_indexes[..]));
            named.collect::<Vec<_>>()
        });
        let selection = selection(&ctx.broker().image(), topics.as_deref());
        let fetched = groups
            .offset_fetch(
                &request.group_id,
                FetchingMember::ANYBODY,
                &selection,
                stable,
            )
            .await;
        return single(ctx.api_version, &selection, fetched);
    }
    let mut answers = Vec::with_capacity(request.groups.len());
    for group in &request.groups {
        let topics = group.topics.as_ref().map(|topics| {
            let named = topics
                .iter()
                .map(|topic| (&topic.name, &topic.partition_indexes[..]));
            named.collect::<Vec<_>>()
        });
        let member = FetchingMember {
            member_id: group.member_id.as_ref().map(StrBytes::as_str),
            member_epoch: group.member_epoch,
        };
        let selection = selection(&ctx.broker().image(), topics.as_deref());
        let fetched = groups
            .offset_fetch(&group.group_id, member, &selection, stable)
            .await;
        answers.push(one_of_batch(fetched).with_group_id(group.group_id.clone()));
    }
    OffsetFetchResponse::default().with_groups(answers)
}

fn selection(image: &MetadataImage, topics: Option<&[(&TopicName, &[i32])]>) -> OffsetSelection {
    let Some(topics) = topics else {
        return OffsetSelection::All;
    };
    let wanted = topics.iter().map(|(name, partitions)| TopicToFetch {
        topic: owned(name),
        topic_id: image.topic(name).map(|topic| topic.id).unwrap_or_default(),
        partitions: partitions.to_vec(),
    });
    OffsetSelection::Topics(wanted.collect())
}

fn single(version: i16, selection: &OffsetSelection, fetched: Fetched) -> OffsetFetchResponse {
    let response = OffsetFetchResponse::default();
    match fetched {
        Ok(topics) => response.with_topics(topics.iter().map(topic).collect()),
        Err(error) if GROUP_ERROR_VERSION <= version => {
            response.with_error_code(error.kafka_code())
        }
        Err(error) => {
            let OffsetSelection::Topics(wanted) = selection else {
                return response;
            };
            let topics = wanted.iter().map(|wanted| {
                let partitions = wanted.partitions.iter().map(|index| (*index, Err(error)));
                topic(&FetchedTopic {
                    topic: Arc::clone(&wanted.topic),
                    partitions: partitions.collect(),
                })
            });
            response.with_topics(topics.collect())
        }
    }
}

fn topic(fetched: &FetchedTopic) -> OffsetFetchResponseTopic {
    let partitions = fetched.partitions.iter().map(|(index, fetched)| {
        let fields = fields(fetched);
        OffsetFetchResponsePartition::default()
            .with_partition_index(*index)
            .with_error_code(fields.error_code)
            .with_committed_offset(fields.offset)
            .with_committed_leader_epoch(fields.leader_epoch)
            .with_metadata(Some(fields.metadata))
    });
    OffsetFetchResponseTopic::default()
        .with_name(TopicName(wire(&fetched.topic)))
        .with_partitions(partitions.collect())
}

fn one_of_batch(fetched: Fetched) -> OffsetFetchResponseGroup {
    let group = OffsetFetchResponseGroup::default();
    let topics = match fetched {
        Ok(topics) => topics,
        Err(error) => return group.with_error_code(error.kafka_code()),
    };
    let topics = topics.iter().map(|fetched| {
        let partitions = fetched.partitions.iter().map(|(index, fetched)| {
            let fields = fields(fetched);
            OffsetFetchResponsePartitions::default()
                .with_partition_index(*index)
                .with_error_code(fields.error_code)
                .with_committed_offset(fields.offset)
                .with_committed_leader_epoch(fields.leader_epoch)
                .with_metadata(Some(fields.metadata))
        });
        OffsetFetchResponseTopics::default()
            .with_name(TopicName(wire(&fetched.topic)))
            .with_partitions(partitions.collect())
    });
    group.with_topics(topics.collect())
}

/// What a response says of a partition.
struct Fields {
    error_code: i16,
    offset: i64,
    leader_epoch: i32,
    metadata: StrBytes,
}

fn fields(fetched: &FetchedOffset) -> Fields {
    match fetched {
        Ok(Some(committed)) => Fields {
            error_code: 0,
            offset: committed.offset,
            leader_epoch: committed.leader_epoch,
            metadata: wire(&committed.metadata),
        },
        without => Fields {
            error_code: without.as_ref().err().map_or(0, |error| error.kafka_code()),
            offset: INVALID_OFFSET,
            leader_epoch: -1,
            metadata: StrBytes::default(),
        },
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use ringbrook_protocol::Encodable;
    use uuid::Uuid;

    use super::*;
    use crate::group::CommittedOffset;

    fn fetched() -> Vec<FetchedTopic> {
        let committed = CommittedOffset {
            offset: 42,
            leader_epoch: 7,
            metadata: Arc::from("note"),
            commit_timestamp_ms: 0,
            expire_timestamp_ms: None,
            topic_id: Uuid::nil(),
            log_offset: 0,
        };
        let partitions = vec![
            (0, Ok(Some(committed))),
            (1, Ok(None)),
            (2, Err(GroupError::UnstableOffsetCommit)),
        ];
        vec![FetchedTopic {
            topic: Arc::from("t"),
            partitions,
        }]
    }

    fn wanted() -> OffsetSelection {
        OffsetSelection::Topics(vec![TopicToFetch {
            topic: Arc::from("t"),
            topic_id: Uuid::nil(),
            partitions: vec![0, 1, 2],
        }])
    }

    #[test]
    fn answers_can_be_encoded_in_every_version() {
        for version in 1..=9 {
            for result in [Ok(fetched()), Err(GroupError::NotCoordinator)] {
                let response = if version < BATCH_VERSION {
                    single(version, &wanted(), result)
                } else {
                    OffsetFetchResponse::default().with_groups(vec![one_of_batch(result)])
                };
                response.encode(&mut BytesMut::new(), version).unwrap();
            }
        }
    }

    #[test]
    fn a_partition_without_offset_is_minus_one_and_an_unstable_one_has_an_error() {
        let response = single(7, &wanted(), Ok(fetched()));
        let [found, missing, unstable] = &response.topics[0].partitions[..] else {
            panic!()
        };
        assert_eq!(
            (found.committed_offset, found.committed_leader_epoch),
            (42, 7)
        );
        assert_eq!(found.metadata.as_deref(), Some("note"));
        assert_eq!(
            (missing.committed_offset, missing.committed_leader_epoch),
            (-1, -1)
        );
        assert_eq!(
            (missing.metadata.as_deref(), missing.error_code),
            (Some(""), 0)
        );
        assert_eq!(
            (unstable.committed_offset, unstable.error_code),
            (INVALID_OFFSET, 88)
        );
        let group = one_of_batch(Ok(fetched()));
        assert_eq!(group.topics[0].partitions[0].committed_offset, 42);
        assert_eq!(group.topics[0].partitions[1].committed_offset, -1);
        assert_eq!(group.topics[0].partitions[2].error_code, 88);
    }

    #[test]
    fn version_1_says_the_groups_error_of_each_partition() {
        let response = single(1, &wanted(), Err(GroupError::CoordinatorLoadInProgress));
        assert_eq!(response.error_code, 0);
        assert!(
            response.topics[0]
                .partitions
                .iter()
                .all(|partition| partition.error_code == 14)
        );
        let response = single(2, &wanted(), Err(GroupError::CoordinatorLoadInProgress));
        assert_eq!((response.error_code, response.topics.len()), (14, 0));
    }
}
