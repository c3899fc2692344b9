//! Which partitions are asked about: `--topic` with `--partitions`, or `--topic-partitions`.

use std::collections::BTreeSet;
use std::ops::Range;

use regex::Regex;
use ringbrook_client::TopicPartition;

use crate::frame::{Failure, Options, TopicFilter};

/// A list of rules; a partition that one of them means is asked about.
#[derive(Debug)]
pub(super) struct Filter(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    topic: TopicFilter,
    partitions: Partitions,
}

#[derive(Debug)]
enum Partitions {
    Range(Range<i32>),
    Only(BTreeSet<i32>),
}

impl Filter {
    /// From the options.
    pub(super) fn of(options: &Options<'_>) -> Result<Self, Failure> {
        match options.text("topic-partitions") {
            Some(text) => Self::of_rules(text),
            None => Self::of_topic(options.text("topic"), options.text("partitions")),
        }
    }

    /// Of rules such as `topic1:1,topic2:0-3,topic3,topic4:5-,topic5:-3`.
    fn of_rules(text: &str) -> Result<Self, Failure> {
        let rule = Regex::new("^([^:,]*)(?::(?:([0-9]*)|(?:([0-9]*)-([0-9]*))))?$")
            .map_err(|error| Failure::Message(error.to_string()))?;
        let rules = text.split(',').map(|text| {
            let wrong = || Failure::Message(format!("Invalid rule specification: {text}"));
            let parts = rule.captures(text).ok_or_else(wrong)?;
            let part = |index| {
                parts
                    .get(index)
                    .map(|it| it.as_str())
                    .filter(|it| !it.is_empty())
            };
            let number = |text: &str| text.parse::<i32>().map_err(|_| wrong());
            let range = match (part(2), part(3), part(4)) {
                (Some(only), _, _) => {
                    let only = number(only)?;
                    only..only.saturating_add(1)
                }
                (None, low, high) => {
                    let low = low.map_or(Ok(0), number)?;
                    low..high.map_or(Ok(i32::MAX), number)?
                }
            };
            Ok(Rule {
                topic: TopicFilter::new(part(1).unwrap_or(".*"))?,
                partitions: Partitions::Range(range),
            })
        });
        Ok(Self(rules.collect::<Result<_, Failure>>()?))
    }

    fn of_topic(topic: Option<&str>, partitions: Option<&str>) -> Result<Self, Failure> {
        let topic = TopicFilter::new(topic.unwrap_or(".*"))?;
        let partitions = match partitions.filter(|text| !text.is_empty()) {
            None => Partitions::Range(0..i32::MAX),
            Some(text) => {
                let ids = text.split(',').map(str::parse);
                let ids: Result<_, _> = ids.collect();
                Partitions::Only(ids.map_err(|_| {
                    Failure::Message(format!(
                        "--partitions expects a comma separated list of numeric partition ids, \
                         but received: {text}"
                    ))
                })?)
            }
        };
        Ok(Self(vec![Rule { topic, partitions }]))
    }

    /// Whether some partition of the topic may be meant.
    pub(super) fn has_topic(&self, topic: &str) -> bool {
        self.0.iter().any(|rule| rule.topic.matches(topic))
    }

    pub(super) fn has(&self, partition: &TopicPartition) -> bool {
        self.0.iter().any(|rule| {
            let is_in = match &rule.partitions {
                Partitions::Range(range) => range.contains(&partition.partition),
                Partitions::Only(ids) => ids.contains(&partition.partition),
            };
            is_in && rule.topic.matches(&partition.topic)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(filter: &Filter, topic: &str) -> Vec<i32> {
        let all = 0..8;
        all.filter(|partition| filter.has(&TopicPartition::new(topic, *partition)))
            .collect()
    }

    #[test]
    fn rules_mean_topics_and_ranges() {
        let filter = Filter::of_rules("a:1,b:2-4,c:6-,d:-2,e,:7").unwrap();
        assert_eq!(meant(&filter, "a"), [1, 7]);
        assert_eq!(meant(&filter, "b"), [2, 3, 7]);
        assert_eq!(meant(&filter, "c"), [6, 7]);
        assert_eq!(meant(&filter, "d"), [0, 1, 7]);
        assert_eq!(meant(&filter, "e").len(), 8);
        assert_eq!(meant(&filter, "x"), [7]);
        let error = Filter::of_rules("a:x").unwrap_err().to_string();
        assert_eq!(error, "Invalid rule specification: a:x");
    }

    #[test]
    fn a_topic_and_ids_mean_those() {
        let filter = Filter::of_topic(Some("a.*"), Some("1,3")).unwrap();
        assert_eq!(meant(&filter, "ab"), [1, 3]);
        assert!(meant(&filter, "b").is_empty() && !filter.has_topic("b"));
        Filter::of_topic(None, Some("x")).unwrap_err();
    }
}
