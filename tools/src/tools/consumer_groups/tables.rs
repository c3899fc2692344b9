//! What `--describe` and `--list` print: columns as wide as Kafka makes them. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ringbrook_client::TopicPartition;

/// What stands where there is nothing to say.
pub(super) const MISSING: &str = "-";

/// A partition of a group, and who reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OffsetRow {
    pub(super) group: String,
    pub(super) partition: Option<TopicPartition>,
    pub(super) leader_epoch: Option<i32>,
    pub(super) offset: Option<i64>,
    pub(super) log_end_offset: Option<i64>,
    pub(super) consumer_id: Option<String>,
    pub(super) host: Option<String>,
    pub(super) client_id: Option<String>,
}

impl OffsetRow {
    /// How many records are left to read.
    pub(super) fn lag(&self) -> Option<i64> {
        let offset = self.offset.filter(|offset| *offset != -1)?;
        Some(self.log_end_offset? - offset)
    }
}

/// A member of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct MemberRow {
    pub(super) group: String,
    pub(super) consumer_id: String,
    pub(super) group_instance_id: String,
    pub(super) host: String,
    pub(super) client_id: String,
    pub(super) assignment: Vec<TopicPartition>,
    pub(super) target_assignment: Vec<TopicPartition>,
    pub(super) current_epoch: Option<i32>,
    pub(super) target_epoch: Option<i32>,
    /// Whether it uses the consumer protocol; unknown for brokers before Kafka 4.0.
    pub(super) is_upgraded: Option<bool>,
}

/// A group as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StateRow {
    pub(super) group: String,
    pub(super) coordinator: String,
    pub(super) assignment_strategy: String,
    pub(super) state: String,
    pub(super) group_epoch: Option<i32>,
    pub(super) target_assignment_epoch: Option<i32>,
    pub(super) members_count: usize,
}

/// A value or the sign that there is none.
pub(super) fn or_missing(value: Option<impl ToString>) -> String {
    value.map_or_else(|| MISSING.to_owned(), |value| value.to_string())
}

/// A line of cells: each but the last is filled up to its column's width, 0 for none.
fn line(cells: &[String], widths: &[usize]) -> String {
    let mut text = String::new();
    for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let blank = if index == 0 { "" } else { " " };
        write!(text, "{blank}{cell:<width$}").expect("a String takes every text");
    }
    text
}

fn texts(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

/// The longest of the texts, or `min`.
fn width<'a>(min: usize, texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(|text| text.chars().count()).fold(min, usize::max)
}

/// The offsets of a group. An empty line comes first.
pub(super) fn offsets(rows: &[OffsetRow], is_verbose: bool) -> String {
    let column = |text: fn(&OffsetRow) -> Option<&str>| {
        width(15, rows.iter().map(move |row| text(row).unwrap_or(MISSING)))
    };
    let group = column(|row| Some(&row.group));
    let topic = column(|row| row.partition.as_ref().map(|partition| &*partition.topic));
    let consumer = column(|row| row.consumer_id.as_deref());
    let host = column(|row| row.host.as_deref());
    let mut widths = vec![group, topic, 10, 15, 15, 15, consumer, host, 0];
    let mut header = texts(&[
        "GROUP",
        "TOPIC",
        "PARTITION",
        "CURRENT-OFFSET",
        "LOG-END-OFFSET",
        "LAG",
        "CONSUMER-ID",
        "HOST",
        "CLIENT-ID",
    ]);
    if is_verbose {
        widths.insert(3, 15);
        header.insert(3, "LEADER-EPOCH".to_owned());
    }
    let mut text = format!("\n{}", line(&header, &widths));
    for row in rows {
        let partition = row.partition.as_ref();
        let mut cells = vec![
            row.group.clone(),
            or_missing(partition.map(|partition| &partition.topic)),
            or_missing(partition.map(|partition| partition.partition)),
            or_missing(row.offset),
            or_missing(row.log_end_offset),
            or_missing(row.lag()),
            or_missing(row.consumer_id.as_ref()),
            or_missing(row.host.as_ref()),
            or_missing(row.client_id.as_ref()),
        ];
        if is_verbose {
            cells.insert(3, or_missing(row.leader_epoch));
        }
        text.push('\n');
        text.push_str(&line(&cells, &widths));
    }
    text.push('\n');
    text
}

/// Partitions by topic, as `a:0,1;b:2`.
pub(super) fn assignment(partitions: &[TopicPartition]) -> String {
    if partitions.is_empty() {
        return MISSING.to_owned();
    }
    let mut by_topic: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        let numbers = by_topic.entry(&partition.topic).or_default();
        numbers.push(partition.partition);
    }
    let topics = by_topic.into_iter().map(|(topic, mut numbers)| {
        numbers.sort_unstable();
        let numbers: Vec<_> = numbers.iter().map(ToString::to_string).collect();
        format!("{topic}:{}", numbers.join(","))
    });
    topics.collect::<Vec<_>>().join(";")
}

/// The members of a group. An empty line comes first; every line ends with a blank unless it is
/// verbose, as Kafka's do.
pub(super) fn members(rows: &[MemberRow], is_verbose: bool) -> String {
    let column = |min: usize, text: fn(&MemberRow) -> &str| width(min, rows.iter().map(text));
    let has_instance = rows.iter().any(|row| !row.group_instance_id.is_empty());
    let kinds = |upgraded: bool| rows.iter().any(|row| row.is_upgraded == Some(upgraded));
    let is_migrating = kinds(true) && kinds(false);
    let mut widths = vec![
        column(15, |row| &row.group),
        column(15, |row| &row.consumer_id),
    ];
    let mut header = texts(&["GROUP", "CONSUMER-ID"]);
    if has_instance {
        widths.push(column(17, |row| &row.group_instance_id));
        header.push("GROUP-INSTANCE-ID".to_owned());
    }
    widths.extend([
        column(15, |row| &row.host),
        column(15, |row| &row.client_id),
        15,
    ]);
    header.extend(texts(&["HOST", "CLIENT-ID", "#PARTITIONS"]));
    if is_verbose {
        let assignments = |of: fn(&MemberRow) -> &[TopicPartition]| {
            let lengths = rows.iter().map(|row| assignment(of(row)).chars().count());
            lengths.fold(20, usize::max)
        };
        let current = assignments(|row| &row.assignment);
        let target = assignments(|row| &row.target_assignment);
        widths.extend([15, current, 15, target]);
        header.extend(texts(&[
            "CURRENT-EPOCH",
            "CURRENT-ASSIGNMENT",
            "TARGET-EPOCH",
            "TARGET-ASSIGNMENT",
        ]));
        if is_migrating {
            header.push("UPGRADED".to_owned());
        }
    }
    let last = if is_verbose && !is_migrating {
        None
    } else {
        Some(0)
    };
    widths.extend(last);
    let line = |mut cells: Vec<String>| {
        if !is_verbose {
            cells.push(String::new());
        }
        line(&cells, &widths)
    };
    let mut text = format!("\n{}\n", line(header));
    for row in rows {
        text.push_str(&line(member_cells(
            row,
            has_instance,
            is_verbose,
            is_migrating,
        )));
        text.push('\n');
    }
    text
}

fn member_cells(
    row: &MemberRow,
    has_instance: bool,
    is_verbose: bool,
    is_migrating: bool,
) -> Vec<String> {
    let mut cells = vec![row.group.clone(), row.consumer_id.clone()];
    if has_instance {
        cells.push(row.group_instance_id.clone());
    }
    let count = row.assignment.len().to_string();
    cells.extend([row.host.clone(), row.client_id.clone(), count]);
    if is_verbose {
        cells.extend([
            or_missing(row.current_epoch),
            assignment(&row.assignment),
            or_missing(row.target_epoch),
            assignment(&row.target_assignment),
        ]);
        if is_migrating {
            cells.push(or_missing(row.is_upgraded));
        }
    }
    cells
}

/// The state of a group. An empty line comes first.
pub(super) fn state(row: &StateRow, is_verbose: bool) -> String {
    let strategy = match row.assignment_strategy.as_str() {
        "" => MISSING,
        strategy => strategy,
    };
    let group = width(15, std::iter::once(row.group.as_str()));
    let coordinator = width(25, std::iter::once(row.coordinator.as_str()));
    let mut widths = vec![group, coordinator, 20, 20];
    let mut header = texts(&["GROUP", "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE"]);
    let mut cells = texts(&[&row.group, &row.coordinator, strategy, &row.state]);
    if is_verbose {
        widths.extend([15, 25]);
        header.extend(texts(&["GROUP-EPOCH", "TARGET-ASSIGNMENT-EPOCH"]));
        cells.extend([
            or_missing(row.group_epoch),
            or_missing(row.target_assignment_epoch),
        ]);
    }
    widths.push(0);
    header.push("#MEMBERS".to_owned());
    cells.push(row.members_count.to_string());
    format!("\n{}\n{}\n", line(&header, &widths), line(&cells, &widths))
}

/// Groups with their types or states, if wanted.
pub(super) fn listing(rows: &[(String, Option<String>, Option<String>)]) -> String {
    let group = width(15, rows.iter().map(|(group, _, _)| group.as_str())) + 10;
    let mut text = String::new();
    for (name, kind, state) in rows {
        let mut cells = vec![name.clone()];
        cells.extend(kind.clone());
        cells.extend(state.clone());
        text.push_str(&line(&cells, &[group, 20, 20]));
        text.push('\n');
    }
    text
}

/// Offsets that are or would be set. An empty line comes first.
pub(super) fn new_offsets(plan: &super::csv::Plan) -> String {
    let group = width(15, plan.keys().map(String::as_str));
    let topics = plan.values().flat_map(|offsets| offsets.keys());
    let widths = [
        group,
        width(15, topics.map(|partition| &*partition.topic)),
        10,
        0,
    ];
    let mut text = String::new();
    if !plan.is_empty() {
        let header = texts(&["GROUP", "TOPIC", "PARTITION", "NEW-OFFSET"]);
        text = format!("\n{}", line(&header, &widths));
    }
    for (group, offsets) in plan {
        for (partition, offset) in offsets {
            let (topic, number) = (partition.topic.to_string(), partition.partition.to_string());
            let cells = [group.clone(), topic, number, offset.to_string()];
            text.push('\n');
            text.push_str(&line(&cells, &widths));
        }
    }
    text.push('\n');
    text
}

/// What became of offsets that were to be forgotten. An empty line comes first.
pub(super) fn deleted_offsets(rows: &[(TopicPartition, Option<String>)]) -> String {
    let topic = width(15, rows.iter().map(|(partition, _)| &*partition.topic));
    let widths = [topic, 10, 15];
    let mut text = format!(
        "\n{}",
        line(&texts(&["TOPIC", "PARTITION", "STATUS"]), &widths)
    );
    for (partition, error) in rows {
        let number = (0 <= partition.partition).then_some(partition.partition);
        let status = match error {
            Some(error) => format!("Error: {error}"),
            None => "Successful".to_owned(),
        };
        let cells = [partition.topic.to_string(), or_missing(number), status];
        text.push('\n');
        text.push_str(&line(&cells, &widths));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests;
