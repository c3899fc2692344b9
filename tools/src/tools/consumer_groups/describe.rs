//! `--describe`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use ringbrook_client::admin::{
    ConsumerGroupDescription, GroupState, MemberDescription, OffsetSpec,
};
use ringbrook_client::{Admin, OffsetAndMetadata, TopicPartition};
use serde_json::{Value, json};

use super::offsets::{Offsets, log_offsets, partitions_of, topics_of};
use super::tables::{self, MISSING, MemberRow, OffsetRow, StateRow, assignment};
use super::{error, groups};
use crate::frame::{Context, Failure, Options};

pub(super) async fn run(
    admin: &Admin,
    options: &Options<'_>,
    context: &mut Context,
) -> Result<(), Failure> {
    let groups = groups(admin, options).await?;
    let described = admin.describe_consumer_groups(groups).await.all()?;
    let is_verbose = options.has("verbose");
    let mut documents = Vec::new();
    for group in described.values() {
        if options.has("members") {
            let rows = member_rows(group);
            if context.is_json() {
                documents.extend(rows.iter().map(member_json));
                continue;
            }
            // Kafka's tool prints the header also when it has said that there is nothing.
            tell_state(group, rows.len(), context)?;
            write(context, &tables::members(&rows, is_verbose))?;
        } else if options.has("state") {
            let row = state_row(group);
            if context.is_json() {
                documents.push(state_json(&row));
            } else if tell_state(group, 1, context)? {
                write(context, &tables::state(&row, is_verbose))?;
            }
        } else {
            let rows = offset_rows(admin, group).await?;
            if context.is_json() {
                documents.extend(rows.iter().map(offset_json));
            } else if tell_state(group, rows.len(), context)? {
                write(context, &tables::offsets(&rows, is_verbose))?;
            }
        }
    }
    if context.is_json() {
        return context.json(&documents);
    }
    Ok(())
}

fn write(context: &mut Context, text: &str) -> Result<(), Failure> {
    Ok(context.out().write_all(text.as_bytes())?)
}

/// Says what is to be known of a group's state; whether there is anything to print.
fn tell_state(
    group: &ConsumerGroupDescription,
    rows_count: usize,
    context: &mut Context,
) -> Result<bool, Failure> {
    let name = &group.group_id;
    match group.state {
        GroupState::Dead => {
            error(
                context,
                format_args!("Consumer group '{name}' does not exist."),
            )?;
            return Ok(false);
        }
        GroupState::Empty => {
            context.warn(format_args!(
                "\nConsumer group '{name}' has no active members."
            ));
        }
        GroupState::Stable => {}
        GroupState::PreparingRebalance
        | GroupState::CompletingRebalance
        | GroupState::Assigning
        | GroupState::Reconciling => {
            context.warn(format_args!(
                "\nWarning: Consumer group '{name}' is rebalancing."
            ));
        }
        _ => {
            return Err(Failure::Message(format!(
                "Expected a valid consumer group state, but found '{}'.",
                group.state
            )));
        }
    }
    Ok(0 < rows_count)
}

/// Committed offsets of a group. A partition without one has none here.
pub(in crate::tools) async fn committed(
    admin: &Admin,
    group: &str,
) -> Result<BTreeMap<TopicPartition, OffsetAndMetadata>, Failure> {
    let group = group.to_owned();
    let wanted = BTreeMap::from([(group.clone(), None)]);
    let offsets = admin.list_consumer_group_offsets(&wanted, false).await;
    let offsets = offsets.only(&group)?.all()?.into_iter();
    Ok(offsets
        .filter_map(|(partition, committed)| Some((partition, committed?)))
        .collect())
}

async fn offset_rows(
    admin: &Admin,
    group: &ConsumerGroupDescription,
) -> Result<Vec<OffsetRow>, Failure> {
    let committed = committed(admin, &group.group_id).await?;
    let assigned = group.members.iter().flat_map(|member| &member.assignment);
    let partitions: BTreeSet<_> = assigned.chain(committed.keys()).cloned().collect();
    let leaders = partitions_of(admin, topics_of(&partitions)).await?;
    let readable = partitions
        .iter()
        .filter(|it| leaders.get(it) != Some(&false));
    let ends = log_offsets(admin, readable.cloned(), OffsetSpec::Latest).await?;
    Ok(rows_of(group, &committed, &ends))
}

/// Rows in Kafka's order: members with many partitions first, at the end what nobody reads.
fn rows_of(
    group: &ConsumerGroupDescription,
    committed: &BTreeMap<TopicPartition, OffsetAndMetadata>,
    ends: &Offsets,
) -> Vec<OffsetRow> {
    let row = |partition: &TopicPartition, [consumer_id, host, client_id]: [&str; 3]| {
        let committed = committed.get(partition);
        OffsetRow {
            group: group.group_id.clone(),
            partition: Some(partition.clone()),
            leader_epoch: committed.and_then(|committed| committed.leader_epoch),
            offset: committed.map(|committed| committed.offset),
            log_end_offset: ends.get(partition).copied(),
            consumer_id: Some(consumer_id.to_owned()),
            host: Some(host.to_owned()),
            client_id: Some(client_id.to_owned()),
        }
    };
    let mut members: Vec<_> = group.members.iter().collect();
    members.sort_by_key(|member| Reverse(member.assignment.len()));
    let mut assigned = BTreeSet::new();
    let mut rows = Vec::new();
    for member in members {
        let partitions: BTreeSet<_> = member.assignment.iter().collect();
        for partition in partitions {
            assigned.insert(partition);
            rows.push(row(
                partition,
                [&member.member_id, &member.host, &member.client_id],
            ));
        }
    }
    let unassigned = committed.keys().filter(|it| !assigned.contains(it));
    rows.extend(unassigned.map(|partition| row(partition, [MISSING; 3])));
    rows
}

fn member_rows(group: &ConsumerGroupDescription) -> Vec<MemberRow> {
    let row = |member: &MemberDescription| MemberRow {
        group: group.group_id.clone(),
        consumer_id: member.member_id.clone(),
        group_instance_id: member.group_instance_id.clone().unwrap_or_default(),
        host: member.host.clone(),
        client_id: member.client_id.clone(),
        assignment: member.assignment.clone(),
        target_assignment: member.target_assignment.clone().unwrap_or_default(),
        current_epoch: member.member_epoch,
        target_epoch: group.target_assignment_epoch,
        is_upgraded: member.is_upgraded,
    };
    group.members.iter().map(row).collect()
}

fn state_row(group: &ConsumerGroupDescription) -> StateRow {
    let (address, id) = (&group.coordinator.address, group.coordinator.id);
    StateRow {
        group: group.group_id.clone(),
        coordinator: format!("{}:{}  ({id})", address.host, address.port),
        assignment_strategy: group.partition_assignor.clone(),
        state: group.state.to_string(),
        group_epoch: group.group_epoch,
        target_assignment_epoch: group.target_assignment_epoch,
        members_count: group.members.len(),
    }
}

fn offset_json(row: &OffsetRow) -> Value {
    json!({
        "group": row.group,
        "topic": row.partition.as_ref().map(|partition| &*partition.topic),
        "partition": row.partition.as_ref().map(|partition| partition.partition),
        "leader_epoch": row.leader_epoch,
        "current_offset": row.offset,
        "log_end_offset": row.log_end_offset,
        "lag": row.lag(),
        "consumer_id": row.consumer_id.as_deref().filter(|text| *text != MISSING),
        "host": row.host.as_deref().filter(|text| *text != MISSING),
        "client_id": row.client_id.as_deref().filter(|text| *text != MISSING),
    })
}

fn member_json(row: &MemberRow) -> Value {
    json!({
        "group": row.group,
        "consumer_id": row.consumer_id,
        "group_instance_id": row.group_instance_id,
        "host": row.host,
        "client_id": row.client_id,
        "partitions": row.assignment.len(),
        "current_epoch": row.current_epoch,
        "assignment": assignment(&row.assignment),
        "target_epoch": row.target_epoch,
        "target_assignment": assignment(&row.target_assignment),
        "upgraded": row.is_upgraded,
    })
}

fn state_json(row: &StateRow) -> Value {
    json!({
        "group": row.group,
        "coordinator": row.coordinator,
        "assignment_strategy": row.assignment_strategy,
        "state": row.state,
        "group_epoch": row.group_epoch,
        "target_assignment_epoch": row.target_assignment_epoch,
        "members": row.members_count,
    })
}
