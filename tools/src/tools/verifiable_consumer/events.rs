//! What belongs to the events of the verifiable consumer, in the order of Kafka's fields.

use ringbrook_client::TopicPartition;
use ringbrook_client::consumer::{ConsumerRecord, Offsets};
use serde::Serialize;

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Partition {
    topic: String,
    partition: i32,
}

impl Partition {
    pub(super) fn of(partition: &TopicPartition) -> Self {
        Self {
            topic: partition.topic.to_string(),
            partition: partition.partition,
        }
    }
}

/// Of `partitions_assigned` and `partitions_revoked`.
#[derive(Debug, Serialize)]
pub(super) struct Partitions {
    partitions: Vec<Partition>,
}

impl Partitions {
    pub(super) fn of(partitions: &[TopicPartition]) -> Self {
        Self {
            partitions: partitions.iter().map(Partition::of).collect(),
        }
    }
}

/// Of `records_consumed`.
#[derive(Debug, Serialize)]
pub(super) struct Consumed {
    /// All that one poll gave, also what goes beyond the limit.
    pub(super) count: usize,
    pub(super) partitions: Vec<Summary>,
}

/// The records of one partition.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    #[serde(flatten)]
    pub(super) partition: Partition,
    pub(super) count: usize,
    pub(super) min_offset: i64,
    pub(super) max_offset: i64,
}

/// Of `record_data`.
#[derive(Debug, Serialize)]
pub(super) struct RecordData<'a> {
    key: Option<&'a str>,
    value: Option<&'a str>,
    topic: &'a str,
    partition: i32,
    offset: i64,
}

impl<'a> RecordData<'a> {
    pub(super) fn of(record: &'a ConsumerRecord<String, String>) -> Self {
        Self {
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            topic: &record.topic,
            partition: record.partition,
            offset: record.offset,
        }
    }
}

/// Of `offsets_committed`.
#[derive(Debug, Serialize)]
pub(super) struct Committed {
    offsets: Vec<CommittedOffset>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    success: bool,
}

#[derive(Debug, Serialize)]
struct CommittedOffset {
    #[serde(flatten)]
    partition: Partition,
    offset: i64,
}

impl Committed {
    pub(super) fn of(offsets: &Offsets, error: Option<String>) -> Self {
        let mut offsets: Vec<_> = offsets.iter().collect();
        offsets.sort_by(|(a, _), (b, _)| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        let offsets = offsets
            .into_iter()
            .map(|(partition, offset)| CommittedOffset {
                partition: Partition::of(partition),
                offset: offset.offset,
            });
        Self {
            offsets: offsets.collect(),
            success: error.is_none(),
            error,
        }
    }
}

#[cfg(test)]
mod tests {
    use ringbrook_client::consumer::OffsetAndMetadata;

    use super::*;

    fn text(it: &impl Serialize) -> String {
        serde_json::to_string(it).unwrap()
    }

    /// Lines that Kafka 4.3.1 printed, without time and name.
    #[test]
    fn events_have_the_fields_of_kafkas() {
        let partition = TopicPartition::new("vp1", 0);
        let assigned = Partitions::of(std::slice::from_ref(&partition));
        assert_eq!(
            text(&assigned),
            r#"{"partitions":[{"topic":"vp1","partition":0}]}"#
        );
        let consumed = Consumed {
            count: 3,
            partitions: vec![Summary {
                partition: Partition::of(&partition),
                count: 3,
                min_offset: 0,
                max_offset: 2,
            }],
        };
        let expected = concat!(
            r#"{"count":3,"partitions":[{"topic":"vp1","partition":0,"count":3,"#,
            r#""minOffset":0,"maxOffset":2}]}"#
        );
        assert_eq!(text(&consumed), expected);
        let offsets = [(partition, OffsetAndMetadata::new(3))].into();
        assert_eq!(
            text(&Committed::of(&offsets, None)),
            r#"{"offsets":[{"topic":"vp1","partition":0,"offset":3}],"success":true}"#
        );
        let failed = text(&Committed::of(&Offsets::new(), Some("no".to_owned())));
        assert_eq!(failed, r#"{"offsets":[],"error":"no","success":false}"#);
    }
}
