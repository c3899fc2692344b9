//! Plans: which partitions shall be on which brokers, and in which of their log directories.

use std::collections::{BTreeMap, BTreeSet};

use ringbrook_client::TopicPartition;
use ringbrook_client::admin::TopicPartitionReplica;
use serde::Serialize;
use serde_json::Value;

use super::{ids_text, wrong};
use crate::frame::{Failure, JsonFile};

/// In place of a log directory: the broker may choose.
const ANY_LOG_DIR: &str = "any";

/// Replicas by partition.
pub(super) type Assignment = BTreeMap<TopicPartition, Vec<i32>>;

/// A plan as it is read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// In the order of the file; nothing is checked yet.
    pub(super) partitions: Vec<(TopicPartition, Vec<i32>)>,
    pub(super) log_dirs: BTreeMap<TopicPartitionReplica, String>,
}

impl Plan {
    /// Reads a file.
    pub(super) fn read(path: &str) -> Result<Self, Failure> {
        // Kafka's tool says no more than which file it is.
        let read = JsonFile::read(path).map_err(|failure| {
            let text = failure.to_string();
            wrong(text.lines().next().unwrap_or_default())
        });
        let file = read?;
        let mut plan = Self::default();
        for (partition, object) in file.partitions().map_err(wrong)? {
            plan.add(partition, object)?;
        }
        Ok(plan)
    }

    fn add(&mut self, partition: TopicPartition, object: &Value) -> Result<(), Failure> {
        let replicas = object.get("replicas");
        let replicas = replicas.ok_or_else(|| wrong("No such field exists: `replicas`"))?;
        let replicas = list(replicas, |it| {
            it.as_i64().and_then(|id| i32::try_from(id).ok())
        })?;
        if let Some(dirs) = object.get("log_dirs") {
            let dirs = list(dirs, |it| it.as_str().map(str::to_owned))?;
            if dirs.len() != replicas.len() {
                let ids: Vec<_> = replicas.iter().map(i32::to_string).collect();
                return Err(wrong(format_args!(
                    "Size of replicas list [{}] is different from size of log dirs list [{}] for \
                     partition {partition}",
                    ids.join(", "),
                    dirs.join(", ")
                )));
            }
            for (broker, dir) in replicas.iter().zip(dirs) {
                if dir != ANY_LOG_DIR {
                    let replica = TopicPartitionReplica::new(partition.clone(), *broker);
                    self.log_dirs.insert(replica, dir);
                }
            }
        }
        self.partitions.push((partition, replicas));
        Ok(())
    }

    /// The assignment, checked as far as that goes without asking brokers.
    pub(super) fn assignment(&self) -> Result<Assignment, Failure> {
        if self.partitions.is_empty() {
            return Err(wrong("Partition reassignment list cannot be empty"));
        }
        if self
            .partitions
            .iter()
            .any(|(_, replicas)| replicas.is_empty())
        {
            return Err(wrong("Partition replica list cannot be empty"));
        }
        let mut assignment = Assignment::new();
        let mut twice = BTreeSet::new();
        let mut with_twice = Vec::new();
        for (partition, replicas) in &self.partitions {
            if assignment
                .insert(partition.clone(), replicas.clone())
                .is_some()
            {
                twice.insert(partition.to_string());
            }
            let ids = duplicates(replicas);
            if !ids.is_empty() {
                let ids = ids_text(&ids);
                with_twice.push(format!("{partition} contains multiple entries for {ids}"));
            }
        }
        if !twice.is_empty() {
            let twice: Vec<_> = twice.into_iter().collect();
            return Err(wrong(format_args!(
                "Partition reassignment contains duplicate topic partitions: {}",
                twice.join(",")
            )));
        }
        if !with_twice.is_empty() {
            return Err(wrong(format_args!(
                "Partition replica lists may not contain duplicate entries: {}",
                with_twice.join(". ")
            )));
        }
        Ok(assignment)
    }
}

/// What is there more than once.
pub(super) fn duplicates<T: Ord + Clone>(items: &[T]) -> Vec<T> {
    let mut seen = BTreeSet::new();
    let twice: BTreeSet<_> = items.iter().filter(|item| !seen.insert(*item)).collect();
    twice.into_iter().cloned().collect()
}

fn list<T>(value: &Value, read: impl Fn(&Value) -> Option<T>) -> Result<Vec<T>, Failure> {
    let unexpected = |value: &Value| wrong(format_args!("unexpected value {value}"));
    let values = value.as_array().ok_or_else(|| unexpected(value))?;
    let values = values.iter();
    values
        .map(|value| read(value).ok_or_else(|| unexpected(value)))
        .collect()
}

/// An assignment as a plan in JSON, with fields in Kafka's order. Replicas of which no directory is
/// given may be in any.
pub(super) fn to_json(
    assignment: &Assignment,
    log_dirs: &BTreeMap<TopicPartitionReplica, String>,
) -> Result<String, Failure> {
    #[derive(Serialize)]
    struct Partition<'a> {
        topic: &'a str,
        partition: i32,
        replicas: &'a [i32],
        log_dirs: Vec<&'a str>,
    }
    #[derive(Serialize)]
    struct Document<'a> {
        version: i32,
        partitions: Vec<Partition<'a>>,
    }
    let dir_of = |partition: &TopicPartition, broker: &i32| {
        let replica = TopicPartitionReplica::new(partition.clone(), *broker);
        log_dirs.get(&replica).map_or(ANY_LOG_DIR, String::as_str)
    };
    let partitions = assignment.iter().map(|(it, replicas)| Partition {
        topic: &it.topic,
        partition: it.partition,
        replicas,
        log_dirs: replicas.iter().map(|broker| dir_of(it, broker)).collect(),
    });
    let document = Document {
        version: 1,
        partitions: partitions.collect(),
    };
    serde_json::to_string(&document).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan(objects: &[Value]) -> Result<Plan, String> {
        let mut plan = Plan::default();
        for object in objects {
            let partition = TopicPartition::new("t", 0);
            plan.add(partition, object).map_err(|it| it.to_string())?;
        }
        Ok(plan)
    }

    #[test]
    fn log_dirs_are_for_replicas_in_order() {
        let object = json!({ "replicas": [1, 2], "log_dirs": ["any", "/d"] });
        let plan = plan(&[object]).unwrap();
        let replica = TopicPartitionReplica::new(TopicPartition::new("t", 0), 2);
        assert_eq!(plan.log_dirs, BTreeMap::from([(replica, "/d".to_owned())]));
        assert_eq!(plan.partitions[0].1, [1, 2]);
    }

    #[test]
    fn what_is_wrong_with_a_plan_is_said() {
        let of = |objects: &[Value]| {
            let plan = plan(objects)?;
            plan.assignment().map(|_| ()).map_err(|it| it.to_string())
        };
        let error = |objects: &[Value]| of(objects).unwrap_err();
        assert_eq!(
            error(&[]),
            "Error: Partition reassignment list cannot be empty"
        );
        assert_eq!(
            error(&[json!({ "replicas": [] })]),
            "Error: Partition replica list cannot be empty"
        );
        assert_eq!(
            error(&[json!({ "replicas": [1, 2, 1] })]),
            "Error: Partition replica lists may not contain duplicate entries: t-0 contains \
             multiple entries for 1"
        );
        let one = json!({ "replicas": [1] });
        assert_eq!(
            error(&[one.clone(), one]),
            "Error: Partition reassignment contains duplicate topic partitions: t-0"
        );
        assert_eq!(
            error(&[json!({ "replicas": [1, 2], "log_dirs": ["/d"] })]),
            "Error: Size of replicas list [1, 2] is different from size of log dirs list [/d] for \
             partition t-0"
        );
        error(&[json!({ "replicas": ["x"] })]);
        error(&[json!({ "replicas": 5 })]);
    }

    #[test]
    fn plans_are_written_as_kafka_writes_them() {
        let assignment = Assignment::from([(TopicPartition::new("t", 0), vec![2, 1])]);
        let replica = TopicPartitionReplica::new(TopicPartition::new("t", 0), 1);
        let log_dirs = BTreeMap::from([(replica, "/d".to_owned())]);
        assert_eq!(
            to_json(&assignment, &log_dirs).unwrap(),
            "{\"version\":1,\"partitions\":[{\"topic\":\"t\",\"partition\":0,\"replicas\":[2,1],\
             \"log_dirs\":[\"any\",\"/d\"]}]}"
        );
    }
}
