//! What another partition takes of a broker's memory: a slope over cells with different counts, so
//! that what the first client and the first topic take is not counted. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::super::fields::{Fields, label, varying};
use super::Row;
use crate::report::Series;

const COUNT: &str = "partitions_per_topic";

/// Memory of each repetition, by count of partitions.
type Memory = BTreeMap<u64, Series>;

/// A row for each group of cells that differ in partitions only, each cell on a broker of its own.
pub(super) fn rows(results: &[(Fields, &Value)]) -> Vec<Row> {
    let mut groups: BTreeMap<Fields, Memory> = BTreeMap::new();
    for (fields, result) in results {
        let number = |name: &str| fields.get(name)?.parse::<u64>().ok();
        let is_fresh = fields.get("fresh_broker").is_some_and(|it| it == "true");
        let (Some(topics), Some(count)) = (number("topics"), number(COUNT)) else {
            continue;
        };
        let Some(bytes) = result["brokerResidentBytesIdle"].as_f64() else {
            continue;
        };
        if is_fresh {
            let mut alike = fields.clone();
            alike.remove(COUNT);
            let memory = groups.entry(alike).or_default();
            memory.entry(topics * count).or_default().0.push(bytes);
        }
    }
    groups.retain(|_, memory| 1 < memory.len());
    let names = varying(groups.keys());
    let rows = groups.iter().filter_map(|(alike, memory)| {
        let (fewest, least) = memory.first_key_value()?;
        let (most, greatest) = memory.last_key_value()?;
        let further = (most - fewest) as f64;
        let slopes = greatest.minus(least).0.into_iter().map(|it| it / further);
        let common = label(alike, &names);
        let separator = if common.is_empty() { "" } else { "; " };
        Some(Row {
            id: "S6",
            meaning: "bytes of the broker's memory per further partition, before any record",
            cells: format!("{fewest} to {most} partitions{separator}{common}"),
            ratios: Series(slopes.collect()),
            flags: String::new(),
        })
    });
    rows.collect()
}
