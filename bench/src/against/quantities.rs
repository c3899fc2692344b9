//! What is measured in a comparison: which way is better, and what is aimed at.

use super::sides::{Pair, Side};

/// Which values of a quantity are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    Less,
    More,
    /// It tells how the measurement was made.
    Neither,
}

pub(crate) const START_MS: &str = "start ms";
pub(crate) const RESIDENT_MIB: &str = "resident MiB";
pub(crate) const CREATE_MS: &str = "create ms";
pub(crate) const RECORDS_PER_S: &str = "records/s";
pub(crate) const BROKER_CPU_US: &str = "broker CPU us/record";
pub(crate) const CLIENT_CPU_US: &str = "client CPU us/record";
/// Of a fixed rate: the rate wanted.
pub(crate) const TARGET_RATE: &str = "records/s wanted";
/// Of an open loop: nobody wants more than was offered.
pub(crate) const ACHIEVED_RATE: &str = "records/s achieved";
pub(crate) const RESPONSE_P999: &str = "response p99.9 ms";
const CPU_US: &str = crate::scenario::CPU_US.0;
const CPU_S: &str = crate::scenario::CPU_S.0;

/// Which way a quantity is better.
pub(crate) fn better(quantity: &str) -> Better {
    match quantity {
        RECORDS_PER_S | "requests/s" | "MB/s" => Better::More,
        TARGET_RATE | ACHIEVED_RATE | CLIENT_CPU_US | "client CPU %" => Better::Neither,
        _ => Better::Less,
    }
}

/// Rows of loads at fixed rates begin so.
pub(crate) const PRODUCE_AT: &str = "produce at";
/// Rows of brokers that do nothing.
pub(crate) const IDLE: &str = "idle";
pub(crate) const IDLE_PARTITIONS: &str = "idle with partitions";

/// Something to reach: a side has to be so many times as good as another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Aim {
    pub(crate) text: &'static str,
    /// What the rows' names begin with.
    row: &'static str,
    quantity: &'static str,
    pub(crate) times: f64,
    /// Of this pair only.
    pair: Option<[Side; 2]>,
}

impl Aim {
    /// Whether it is about this figure of a pair.
    pub(crate) fn is_about(&self, pair: &Pair, row: &str, quantity: &str) -> bool {
        let is_row = match self.row {
            PRODUCE_AT => row.starts_with(PRODUCE_AT),
            exact => row == exact,
        };
        let is_pair = self.pair.is_none_or(|it| it == [pair.ours, pair.theirs]);
        is_row && is_pair && quantity == self.quantity
    }
}

/// Nothing special about the pair.
const ANY: Aim = Aim {
    text: "",
    row: "",
    quantity: CPU_US,
    times: 1.0,
    pair: None,
};

/// What the project aims at, beside Apache Kafka.
pub(crate) const AIMS: [Aim; 10] = [
    Aim {
        text: "produce per broker CPU second, 1 KiB records in batches of 16 KiB",
        row: "produce-16k",
        times: 4.0,
        ..ANY
    },
    Aim {
        text: "produce per broker CPU second, one small record in a request",
        row: "produce-one-record",
        times: 10.0,
        ..ANY
    },
    Aim {
        text: "the same with five requests in flight per connection",
        row: "produce-one-record-pipelined",
        times: 10.0,
        ..ANY
    },
    Aim {
        text: "fetch per broker CPU second, 1 MiB",
        row: "fetch-1m",
        quantity: CPU_S,
        times: 2.0,
        ..ANY
    },
    Aim {
        text: "fetch per broker CPU second, 64 KiB",
        row: "fetch-64k",
        quantity: CPU_S,
        times: 2.0,
        ..ANY
    },
    Aim {
        text: "p99.9 of produce at half of their maximum",
        row: PRODUCE_AT,
        quantity: RESPONSE_P999,
        times: 10.0,
        ..ANY
    },
    Aim {
        text: "resident memory, idle",
        row: IDLE,
        quantity: RESIDENT_MIB,
        times: 10.0,
        ..ANY
    },
    Aim {
        text: "resident memory, idle with partitions",
        row: IDLE_PARTITIONS,
        quantity: RESIDENT_MIB,
        times: 10.0,
        ..ANY
    },
    Aim {
        text: "time to start",
        row: IDLE,
        quantity: START_MS,
        times: 20.0,
        ..ANY
    },
    Aim {
        text: "durable Ringbrook ahead of un-synced Kafka per broker CPU second",
        row: "produce-16k",
        times: 1.0,
        pair: Some([Side::Ringbrook, Side::Kafka]),
        ..ANY
    },
];

#[cfg(test)]
mod tests {
    use super::super::LOADS;
    use super::super::sides::PAIRS;
    use super::*;

    #[test]
    fn every_aim_is_about_something_that_is_measured() {
        let rows = LOADS.map(|(name, _)| name);
        let others = ["produce at 50 % of kafka's maximum", IDLE, IDLE_PARTITIONS];
        for aim in AIMS {
            let mut rows = rows.iter().chain(&others);
            let is_about = |row: &&str| {
                PAIRS
                    .iter()
                    .any(|pair| aim.is_about(pair, row, aim.quantity))
            };
            assert!(rows.any(is_about), "{}", aim.text);
            assert_eq!(better(aim.quantity), Better::Less, "{}", aim.text);
        }
    }
}
