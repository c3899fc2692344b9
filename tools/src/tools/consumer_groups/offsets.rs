//! Offsets of partitions and of groups, as the other files here need them.

use std::collections::{BTreeMap, BTreeSet};

use ringbrook_client::admin::{ListOffsetsOptions, OffsetSpec};
use ringbrook_client::{Admin, TopicPartition};

use crate::frame::Failure;

/// Offsets by partition.
pub(in crate::tools) type Offsets = BTreeMap<TopicPartition, i64>;

/// Asks for one kind of offset of each partition; -1 where there is none.
pub(in crate::tools) async fn log_offsets(
    admin: &Admin,
    partitions: impl IntoIterator<Item = TopicPartition>,
    spec: OffsetSpec,
) -> Result<Offsets, Failure> {
    let wanted = partitions.into_iter().map(|partition| (partition, spec));
    let wanted: BTreeMap<_, _> = wanted.collect();
    if wanted.is_empty() {
        return Ok(Offsets::new());
    }
    let found = admin
        .list_offsets(&wanted, ListOffsetsOptions::default())
        .await;
    let found = found.all()?.into_iter();
    Ok(found
        .map(|(partition, info)| (partition, info.offset))
        .collect())
}

/// The partitions of topics, and whether each has a leader.
pub(in crate::tools) async fn partitions_of(
    admin: &Admin,
    topics: BTreeSet<String>,
) -> Result<BTreeMap<TopicPartition, bool>, Failure> {
    if topics.is_empty() {
        return Ok(BTreeMap::new());
    }
    let described = admin.describe_topics(topics).await.all()?;
    let partitions = described.iter().flat_map(|(topic, description)| {
        description.partitions.iter().map(|partition| {
            let key = TopicPartition::new(topic.as_str(), partition.partition);
            (key, partition.leader.is_some())
        })
    });
    Ok(partitions.collect())
}

/// The topics of partitions.
pub(super) fn topics_of<'a>(
    partitions: impl IntoIterator<Item = &'a TopicPartition>,
) -> BTreeSet<String> {
    let topics = partitions.into_iter().map(|it| it.topic.to_string());
    topics.collect()
}

/// The partitions that a `--topic` with partitions names, as in `orders:0,1`.
pub(super) fn parse_partitions(text: &str) -> Result<Vec<TopicPartition>, Failure> {
    let parts: Vec<_> = text.trim_end_matches(':').split(':').collect();
    let [topic, numbers] = parts[..] else {
        return Err(Failure::Usage(format!(
            "Invalid topic arg '{text}', expected topic name and partitions"
        )));
    };
    let partition = |number: &str| {
        let number = number.parse().map_err(|_| {
            Failure::Usage(format!(
                "Invalid partition '{number}' specified in topic arg '{text}''"
            ))
        })?;
        Ok(TopicPartition::new(topic, number))
    };
    numbers.split(',').map(partition).collect()
}

/// Fails unless all partitions exist and have leaders.
pub(super) fn check_partitions(
    wanted: &BTreeSet<TopicPartition>,
    found: &BTreeMap<TopicPartition, bool>,
) -> Result<(), Failure> {
    let listed = |partitions: Vec<&TopicPartition>| {
        let names: Vec<_> = partitions.iter().map(ToString::to_string).collect();
        names.join(",")
    };
    let missing: Vec<_> = wanted.iter().filter(|it| !found.contains_key(it)).collect();
    if !missing.is_empty() {
        let missing = listed(missing);
        return Err(Failure::Message(format!(
            "The partitions \"{missing}\" do not exist"
        )));
    }
    let leaderless: Vec<_> = wanted
        .iter()
        .filter(|it| found.get(it) == Some(&false))
        .collect();
    if !leaderless.is_empty() {
        let leaderless = listed(leaderless);
        return Err(Failure::Message(format!(
            "The partitions \"{leaderless}\" have no leader"
        )));
    }
    Ok(())
}

/// Offsets moved into the range of their partitions, with what to say of those that were outside.
pub(super) fn in_range(
    requested: &Offsets,
    start: &Offsets,
    end: &Offsets,
) -> (Offsets, Vec<String>) {
    let mut warnings = Vec::new();
    let mut moved = |partition: &TopicPartition, offset: i64| {
        let (start, end) = (start.get(partition).copied(), end.get(partition).copied());
        let (bound, which, than) = match (start, end) {
            (_, Some(end)) if end < offset => (end, "higher", "latest"),
            (Some(start), _) if offset < start => (start, "lower", "earliest"),
            _ => return offset,
        };
        warnings.push(format!(
            "New offset ({offset}) is {which} than {than} offset for topic partition {partition}. \
             Value will be set to {bound}"
        ));
        bound
    };
    let offsets = requested
        .iter()
        .map(|(partition, offset)| (partition.clone(), moved(partition, *offset)))
        .collect();
    (offsets, warnings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(rows: &[(i32, i64)]) -> Offsets {
        let rows = rows.iter();
        rows.map(|(number, offset)| (TopicPartition::new("t", *number), *offset))
            .collect()
    }

    #[test]
    fn partitions_are_read_from_a_topic() {
        let found = parse_partitions("orders:0,12").unwrap();
        assert_eq!(
            found,
            [
                TopicPartition::new("orders", 0),
                TopicPartition::new("orders", 12)
            ]
        );
        let error = parse_partitions("orders:0,x").unwrap_err().to_string();
        assert_eq!(
            error,
            "Invalid partition 'x' specified in topic arg 'orders:0,x''"
        );
        let error = parse_partitions("a:0:1").unwrap_err().to_string();
        assert_eq!(
            error,
            "Invalid topic arg 'a:0:1', expected topic name and partitions"
        );
    }

    #[test]
    fn offsets_stay_within_their_partitions() {
        let start = offsets(&[(0, 5), (1, 5), (2, 5)]);
        let end = offsets(&[(0, 9), (1, 9), (2, 9)]);
        let wanted = offsets(&[(0, 4), (1, 10), (2, 9)]);
        let (moved, warnings) = in_range(&wanted, &start, &end);
        assert_eq!(moved, offsets(&[(0, 5), (1, 9), (2, 9)]));
        assert_eq!(
            warnings,
            [
                "New offset (4) is lower than earliest offset for topic partition t-0. Value will \
                 be set to 5",
                "New offset (10) is higher than latest offset for topic partition t-1. Value will \
                 be set to 9"
            ]
        );
    }

    #[test]
    fn partitions_must_exist_and_have_leaders() {
        let wanted = BTreeSet::from([TopicPartition::new("t", 0), TopicPartition::new("t", 1)]);
        let found = |rows: &[(i32, bool)]| {
            rows.iter()
                .map(|(number, leader)| (TopicPartition::new("t", *number), *leader))
                .collect()
        };
        check_partitions(&wanted, &found(&[(0, true), (1, true)])).unwrap();
        let error = check_partitions(&wanted, &found(&[(0, true)])).unwrap_err();
        assert_eq!(error.to_string(), "The partitions \"t-1\" do not exist");
        let error = check_partitions(&wanted, &found(&[(0, true), (1, false)])).unwrap_err();
        assert_eq!(error.to_string(), "The partitions \"t-1\" have no leader");
    }
}
