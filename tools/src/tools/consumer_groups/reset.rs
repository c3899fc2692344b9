//! `--reset-offsets`.

use std::collections::{BTreeMap, BTreeSet};

use ringbrook_client::admin::{GroupState, OffsetSpec};
use ringbrook_client::clock::now_ms;
use ringbrook_client::{Admin, OffsetAndMetadata, TopicPartition};
use serde_json::json;

use super::arguments::no_scenario;
use super::csv::{self, Plan};
use super::describe::committed;
use super::offsets::{
    Offsets, check_partitions, in_range, log_offsets, parse_partitions, partitions_of, topics_of,
};
use super::time_text::{datetime_ms, duration_ms};
use super::{error, groups, tables};
use crate::frame::{Context, Failure, Options};

/// What a reset needs to be thought out.
struct Reset<'a, 'b> {
    admin: &'a Admin,
    options: &'a Options<'b>,
    context: &'a mut Context,
}

pub(super) async fn run(
    admin: &Admin,
    options: &Options<'_>,
    context: &mut Context,
) -> Result<(), Failure> {
    let groups = groups(admin, options).await?;
    let described = admin.describe_consumer_groups(groups).await.into_map();
    let mut plan = Plan::new();
    for (group, description) in described {
        let state = match description {
            Ok(description) => description.state,
            // Offsets may be set for a group that does not exist yet.
            Err(error) if is_unknown_group(&error) => GroupState::Dead,
            Err(error) => return Err(error.into()),
        };
        if !matches!(state, GroupState::Empty | GroupState::Dead) {
            error(
                context,
                format_args!(
                    "Assignments can only be reset if the group '{group}' is inactive, but the \
                     current state is {state}."
                ),
            )?;
            plan.insert(group, BTreeMap::new());
            continue;
        }
        let mut reset = Reset {
            admin,
            options,
            context,
        };
        let offsets = reset.group(&group).await?;
        plan.insert(group, offsets);
    }
    tell(&plan, options, context)
}

fn is_unknown_group(error: &ringbrook_client::ClientError) -> bool {
    error.response_error() == Some(ringbrook_protocol::ResponseError::GroupIdNotFound)
}

fn tell(plan: &Plan, options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    if context.is_json() {
        let rows = plan.iter().flat_map(|(group, offsets)| {
            offsets.iter().map(move |(partition, offset)| {
                json!({
                    "group": group,
                    "topic": partition.topic.as_ref(),
                    "partition": partition.partition,
                    "new_offset": offset,
                })
            })
        });
        return context.json(&rows.collect::<Vec<_>>());
    }
    if options.has("export") {
        return context.line(csv::write(plan, options.texts("group").len() == 1));
    }
    Ok(context
        .out()
        .write_all(tables::new_offsets(plan).as_bytes())?)
}

impl Reset<'_, '_> {
    /// What the offsets of a group are to be; sets them, too, with `--execute`.
    async fn group(&mut self, group: &str) -> Result<Offsets, Failure> {
        let partitions = self.partitions(group).await?;
        let found = partitions_of(self.admin, topics_of(&partitions)).await?;
        check_partitions(&partitions, &found)?;
        let offsets = self.offsets(group, &partitions).await?;
        if self.options.has("execute") {
            let wanted = offsets
                .iter()
                .map(|(partition, offset)| (partition.clone(), OffsetAndMetadata::new(*offset)));
            let altered = self
                .admin
                .alter_consumer_group_offsets(group, &wanted.collect())
                .await;
            altered.all()?;
        }
        Ok(offsets)
    }

    async fn partitions(&self, group: &str) -> Result<BTreeSet<TopicPartition>, Failure> {
        if self.options.has("all-topics") {
            return Ok(committed(self.admin, group).await?.into_keys().collect());
        }
        if !self.options.has("topic") {
            if self.options.has("from-file") {
                return Ok(BTreeSet::new());
            }
            return Err(Failure::Usage(
                "One of the reset scopes should be defined: --all-topics, --topic.".to_owned(),
            ));
        }
        let mut partitions = BTreeSet::new();
        let mut topics = BTreeSet::new();
        for topic in self.options.texts("topic") {
            if topic.contains(':') {
                partitions.extend(parse_partitions(topic)?);
            } else {
                topics.insert(topic.to_owned());
            }
        }
        partitions.extend(partitions_of(self.admin, topics).await?.into_keys());
        Ok(partitions)
    }

    async fn offsets(
        &mut self,
        group: &str,
        partitions: &BTreeSet<TopicPartition>,
    ) -> Result<Offsets, Failure> {
        let options = self.options;
        let all = || partitions.iter().cloned();
        if let Some(offset) = options.number("to-offset")? {
            let wanted = all().map(|partition| (partition, offset)).collect();
            return self.in_range(&wanted).await;
        }
        if options.has("to-earliest") {
            return log_offsets(self.admin, all(), OffsetSpec::Earliest).await;
        }
        if options.has("to-latest") {
            return log_offsets(self.admin, all(), OffsetSpec::Latest).await;
        }
        if let Some(by) = options.number("shift-by")? {
            let wanted = self.shifted(group, partitions, by).await?;
            return self.in_range(&wanted).await;
        }
        if let Some(text) = options.text("to-datetime") {
            let time = datetime_ms(text).map_err(Failure::Message)?;
            return self.at(partitions, time).await;
        }
        if let Some(text) = options.text("by-duration") {
            let ago = duration_ms(text).map_err(Failure::Message)?;
            return self.at(partitions, now_ms().saturating_sub(ago)).await;
        }
        if let Some(path) = options.text("from-file") {
            return self.planned(group, path).await;
        }
        if options.has("to-current") {
            return self.current(group, partitions).await;
        }
        Err(no_scenario())
    }

    async fn in_range(&mut self, wanted: &Offsets) -> Result<Offsets, Failure> {
        let partitions = || wanted.keys().cloned();
        let start = log_offsets(self.admin, partitions(), OffsetSpec::Earliest).await?;
        let end = log_offsets(self.admin, partitions(), OffsetSpec::Latest).await?;
        let (offsets, warnings) = in_range(wanted, &start, &end);
        for warning in warnings {
            self.context.warn(warning);
        }
        Ok(offsets)
    }

    async fn shifted(
        &self,
        group: &str,
        partitions: &BTreeSet<TopicPartition>,
        by: i64,
    ) -> Result<Offsets, Failure> {
        let committed = committed(self.admin, group).await?;
        let shifted = |partition: &TopicPartition| {
            let Some(found) = committed.get(partition) else {
                return Err(Failure::Usage(format!(
                    "Cannot shift offset for partition {partition} since there is no current \
                     committed offset"
                )));
            };
            Ok((partition.clone(), found.offset.saturating_add(by)))
        };
        partitions.iter().map(shifted).collect()
    }

    async fn at(
        &mut self,
        partitions: &BTreeSet<TopicPartition>,
        time_ms: i64,
    ) -> Result<Offsets, Failure> {
        let spec = OffsetSpec::Timestamp(time_ms);
        let mut found = log_offsets(self.admin, partitions.iter().cloned(), spec).await?;
        let without: Vec<_> = found
            .iter()
            .filter(|(_, offset)| **offset == -1)
            .map(|(partition, _)| partition.clone())
            .collect();
        for partition in &without {
            self.context.line(format_args!(
                "\nWarn: Partition {} from topic {} is empty. Falling back to latest known offset.",
                partition.partition, partition.topic
            ))?;
        }
        found.extend(log_offsets(self.admin, without, OffsetSpec::Latest).await?);
        Ok(found)
    }

    async fn planned(&mut self, group: &str, path: &str) -> Result<Offsets, Failure> {
        let failed = |what: String| Failure::Message(format!("{path}: {what}"));
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        let groups = self.options.texts("group");
        let one_group = (groups.len() == 1).then_some(group);
        let plan = csv::read(&text, one_group).map_err(failed)?;
        let Some(wanted) = plan.get(group) else {
            error(
                self.context,
                format_args!("No reset plan for group {group} found"),
            )?;
            return Ok(Offsets::new());
        };
        self.in_range(wanted).await
    }

    async fn current(
        &self,
        group: &str,
        partitions: &BTreeSet<TopicPartition>,
    ) -> Result<Offsets, Failure> {
        let committed = committed(self.admin, group).await?;
        let (with, without): (Vec<_>, Vec<_>) = partitions
            .iter()
            .cloned()
            .partition(|partition| committed.contains_key(partition));
        let mut offsets = log_offsets(self.admin, without, OffsetSpec::Latest).await?;
        offsets.extend(with.into_iter().filter_map(|partition| {
            let offset = committed.get(&partition)?.offset;
            Some((partition, offset))
        }));
        Ok(offsets)
    }
}
