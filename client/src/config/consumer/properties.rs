//! The tables of a consumer's own properties.

use std::time::Duration;

use super::{AutoOffsetReset, ConsumerConfig, GroupProtocol, IsolationLevel};
use crate::config::{ConfigError, Parse, Property};

type Row = Property<ConsumerConfig>;

/// What concerns groups and commits.
pub(super) const GROUP_PROPERTIES: &[Row] = &[
    Row::new("group.id", "", "The group to read in", |c, p| {
        c.group_id = p.optional();
        Ok(())
    }),
    Row::new(
        "group.instance.id",
        "",
        "Makes a static member of the group",
        |c, p| {
            c.group_instance_id = p.optional();
            Ok(())
        },
    ),
    Row::new(
        "group.protocol",
        "classic",
        "Who assigns partitions: classic (the members) or consumer (the broker)",
        |c, p| {
            c.group_protocol = p.one_of(&[
                ("classic", GroupProtocol::Classic),
                ("consumer", GroupProtocol::Consumer),
            ])?;
            Ok(())
        },
    ),
    Row::new(
        "group.remote.assignor",
        "",
        "The broker's assignor, with the consumer protocol",
        |c, p| {
            c.group_remote_assignor = p.optional();
            Ok(())
        },
    ),
    Row::new(
        "session.timeout.ms",
        "45000",
        "When a silent member counts as gone",
        |c, p| {
            c.session_timeout = p.millis(1)?;
            Ok(())
        },
    ),
    Row::new(
        "heartbeat.interval.ms",
        "3000",
        "How often a member says that it is alive",
        |c, p| {
            c.heartbeat_interval = p.millis(1)?;
            Ok(())
        },
    ),
    Row::new(
        "partition.assignment.strategy",
        "range,cooperative-sticky",
        "Assignors, the preferred one first",
        |c, p| {
            let names: Vec<_> = p.list().map(assignor_name).collect();
            if names.is_empty() {
                return Err(p.invalid("at least one assignor, such as range"));
            }
            c.partition_assignment_strategy = names;
            Ok(())
        },
    ),
    Row::new(
        "max.poll.interval.ms",
        "300000",
        "When a member that does not poll leaves",
        |c, p| {
            c.max_poll_interval = p.millis(1)?;
            Ok(())
        },
    ),
    Row::new(
        "enable.auto.commit",
        "true",
        "Whether positions are committed in the background",
        |c, p| {
            c.enable_auto_commit = p.boolean()?;
            Ok(())
        },
    ),
    Row::new(
        "auto.commit.interval.ms",
        "5000",
        "How often positions are committed",
        |c, p| {
            c.auto_commit_interval = p.millis(0)?;
            Ok(())
        },
    ),
    Row::new(
        "exclude.internal.topics",
        "true",
        "Whether patterns pass over internal topics",
        |c, p| {
            c.exclude_internal_topics = p.boolean()?;
            Ok(())
        },
    ),
];

/// What concerns fetching.
pub(super) const FETCH_PROPERTIES: &[Row] = &[
    Row::new(
        "auto.offset.reset",
        "latest",
        "Where to begin without a position: earliest, latest, by_duration:PT1H, none",
        |c, p| {
            c.auto_offset_reset = auto_offset_reset(p)?;
            Ok(())
        },
    ),
    Row::new(
        "fetch.min.bytes",
        "1",
        "What the broker waits for before it answers",
        |c, p| {
            c.fetch_min_bytes = p.number(0..=i32::MAX)?;
            Ok(())
        },
    ),
    Row::new(
        "fetch.max.bytes",
        "52428800",
        "Bytes of an answer, at most",
        |c, p| {
            c.fetch_max_bytes = p.number(0..=i32::MAX)?;
            Ok(())
        },
    ),
    Row::new(
        "fetch.max.wait.ms",
        "500",
        "How long the broker waits at most",
        |c, p| {
            c.fetch_max_wait = p.millis(0)?;
            Ok(())
        },
    ),
    Row::new(
        "max.partition.fetch.bytes",
        "1048576",
        "Bytes of one partition in an answer, at most",
        |c, p| {
            c.max_partition_fetch_bytes = p.number(0..=i32::MAX)?;
            Ok(())
        },
    ),
    Row::new(
        "max.poll.records",
        "500",
        "Records that one poll returns, at most",
        |c, p| {
            let most: i32 = p.number(1..=i32::MAX)?;
            c.max_poll_records = usize::try_from(most).unwrap_or(usize::MAX);
            Ok(())
        },
    ),
    Row::new(
        "isolation.level",
        "read_uncommitted",
        "Whether aborted and open transactions are seen",
        |c, p| {
            c.isolation_level = p.one_of(&[
                ("read_uncommitted", IsolationLevel::ReadUncommitted),
                ("read_committed", IsolationLevel::ReadCommitted),
            ])?;
            Ok(())
        },
    ),
    Row::new(
        "check.crcs",
        "true",
        "Whether checksums of batches are checked",
        |c, p| {
            c.check_crcs = p.boolean()?;
            Ok(())
        },
    ),
    Row::new(
        "default.api.timeout.ms",
        "60000",
        "How long a call may take, retries included",
        |c, p| {
            c.default_api_timeout = p.millis(0)?;
            Ok(())
        },
    ),
    Row::new(
        "allow.auto.create.topics",
        "true",
        "Whether reading a topic may create it",
        |c, p| {
            c.allow_auto_create_topics = p.boolean()?;
            Ok(())
        },
    ),
];

/// Kafka names assignors by their Java classes; the name in the protocol is taken as well.
fn assignor_name(text: &str) -> String {
    const CLASSES: [(&str, &str); 4] = [
        ("RangeAssignor", "range"),
        ("RoundRobinAssignor", "roundrobin"),
        ("StickyAssignor", "sticky"),
        ("CooperativeStickyAssignor", "cooperative-sticky"),
    ];
    let class = text.rsplit('.').next().unwrap_or(text);
    let known = CLASSES.iter().find(|(name, _)| *name == class);
    known.map_or(text, |(_, name)| name).to_owned()
}

fn auto_offset_reset(p: Parse<'_>) -> Result<AutoOffsetReset, ConfigError> {
    let text = p.text.trim().to_ascii_lowercase();
    match text.as_str() {
        "earliest" => return Ok(AutoOffsetReset::Earliest),
        "latest" => return Ok(AutoOffsetReset::Latest),
        "none" => return Ok(AutoOffsetReset::None),
        _ => {}
    }
    let duration = text.strip_prefix("by_duration:").and_then(iso_duration);
    duration.map(AutoOffsetReset::ByDuration).ok_or_else(|| {
        p.invalid("one of earliest, latest, none, or by_duration: with a duration such as PT1H30M")
    })
}

/// A duration as ISO 8601 writes it, of days, hours, minutes and seconds: `PnDTnHnMn.nS`. The text
/// is in lower case. Negative ones are refused, as Kafka does.
fn iso_duration(text: &str) -> Option<Duration> {
    let rest = text.strip_prefix('p')?;
    let (days, clock) = rest.split_once('t').unwrap_or((rest, ""));
    let is_empty = days.is_empty() && clock.is_empty();
    if is_empty || rest.ends_with('t') {
        return None;
    }
    let days = fields(days, &[('d', 86_400.0)])?;
    let clock = fields(clock, &[('h', 3_600.0), ('m', 60.0), ('s', 1.0)])?;
    Duration::try_from_secs_f64(days + clock).ok()
}

/// The sum of numbers with units, each unit at most once and in this order.
fn fields(mut text: &str, units: &[(char, f64)]) -> Option<f64> {
    let mut seconds = 0.0;
    for (unit, factor) in units {
        let Some((number, rest)) = text.split_once(*unit) else {
            continue;
        };
        let is_fraction_allowed = *unit == 's';
        let is_number = |c: char| c.is_ascii_digit() || (is_fraction_allowed && c == '.');
        if !number.chars().all(is_number) {
            return None;
        }
        seconds += number.parse::<f64>().ok()? * factor;
        text = rest;
    }
    text.is_empty().then_some(seconds)
}
