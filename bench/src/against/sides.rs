//! The sides of a comparison, and which of them are compared with which.

use serde::{Deserialize, Serialize};

/// A broker with its settings.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Side {
    /// Apache Kafka as it is: it acknowledges what is in the page cache.
    Kafka,
    /// Apache Kafka that flushes every batch before it acknowledges it.
    KafkaFlush,
    /// A broker that runs already.
    Other,
    /// Ringbrook with Kafka's page-cache semantics.
    RingbrookPageCache,
    /// Ringbrook as it is: durable before it acknowledges.
    Ringbrook,
}

impl Side {
    /// In the order of the first round: those whose maximum is a measure for others come first.
    pub(crate) const ALL: [Self; 5] = [
        Self::Kafka,
        Self::KafkaFlush,
        Self::Other,
        Self::RingbrookPageCache,
        Self::Ringbrook,
    ];

    /// As options and files name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::KafkaFlush => "kafka-flush",
            Self::Other => "other",
            Self::RingbrookPageCache => "ringbrook-page-cache",
            Self::Ringbrook => "ringbrook",
        }
    }

    /// Whether it may need a long warm-up, as everything that runs in a JVM does.
    pub(crate) fn warms_up_slowly(self) -> bool {
        matches!(self, Self::Kafka | Self::KafkaFlush | Self::Other)
    }

    /// What differs from the broker's defaults: its settings.
    pub(crate) fn settings(self) -> &'static [&'static str] {
        match self {
            Self::KafkaFlush => &["log.flush.interval.messages=1"],
            Self::RingbrookPageCache => &["log.flush.before.ack=false"],
            Self::Kafka | Self::Other | Self::Ringbrook => &[],
        }
    }
}

/// Two sides that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) ours: Side,
    pub(crate) theirs: Side,
    pub(crate) title: &'static str,
}

/// All of them; those of equal durability say most.
pub(crate) const PAIRS: [Pair; 4] = [
    Pair {
        ours: Side::Ringbrook,
        theirs: Side::KafkaFlush,
        title: "Equal durability: both on disk before they acknowledge",
    },
    Pair {
        ours: Side::RingbrookPageCache,
        theirs: Side::Kafka,
        title: "Equal durability: both acknowledge what is in the page cache",
    },
    Pair {
        ours: Side::Ringbrook,
        theirs: Side::Kafka,
        title: "Defaults: Ringbrook durable before it acknowledges, Kafka not",
    },
    Pair {
        ours: Side::Ringbrook,
        theirs: Side::Other,
        title: "Ringbrook durable before it acknowledges, beside another broker as it is",
    },
];

/// The sides whose maximum `side` is loaded with a share of: those that it is compared with, or
/// itself, if they take part.
pub(crate) fn references(side: Side, sides: &[Side]) -> Vec<Side> {
    let mut references: Vec<_> = PAIRS
        .iter()
        .filter(|pair| sides.contains(&pair.ours) && sides.contains(&pair.theirs))
        .filter(|pair| pair.ours == side || pair.theirs == side)
        .map(|pair| pair.theirs)
        .collect();
    references.sort_unstable();
    references.dedup();
    references
}

/// The sides of a round: whoever comes first in one comes last in the next.
pub(crate) fn order(sides: &[Side], round: u32) -> Vec<Side> {
    let wanted = Side::ALL.into_iter().filter(|side| sides.contains(side));
    let mut order: Vec<_> = wanted.collect();
    if round.is_multiple_of(2) {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_is_loaded_for_every_pair_it_is_in() {
        let all = [
            Side::Ringbrook,
            Side::RingbrookPageCache,
            Side::Kafka,
            Side::KafkaFlush,
        ];
        let durable = references(Side::Ringbrook, &all);
        assert_eq!(durable, [Side::Kafka, Side::KafkaFlush]);
        assert_eq!(references(Side::RingbrookPageCache, &all), [Side::Kafka]);
        assert_eq!(references(Side::KafkaFlush, &all), [Side::KafkaFlush]);
        assert!(references(Side::Ringbrook, &[Side::Ringbrook]).is_empty());
    }

    #[test]
    fn references_come_first_in_the_first_round_and_the_order_alternates() {
        let sides = [Side::Ringbrook, Side::Kafka];
        assert_eq!(order(&sides, 1), [Side::Kafka, Side::Ringbrook]);
        assert_eq!(order(&sides, 2), [Side::Ringbrook, Side::Kafka]);
        assert_eq!(order(&sides, 3), order(&sides, 1));
    }
}
