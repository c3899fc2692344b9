//! What the records of the campaign say: where they come from and who transferred them.

use std::fmt;

use anyhow::{Context, ensure};
use clap::ValueEnum;

/// How the workers of an input topic share its partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum Lane {
    /// They are a consumer group.
    Group,
    /// Each partition has its worker, and a successor fences it by its transactional id.
    Fixed,
}

impl Lane {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Group, Self::Fixed];

    /// The word in names of topics, groups and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Fixed => "fixed",
        }
    }
}

/// A partition of an input topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// The topic.
    pub lane: Lane,
    /// Its partition.
    pub partition: i32,
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.lane.name(), self.partition)
    }
}

impl Source {
    /// The output partition that all its records go to, so that their order can be checked.
    #[must_use]
    pub fn output_partition(self, output_partitions: i32) -> i32 {
        let shift = match self.lane {
            Lane::Group => 0,
            Lane::Fixed => 1,
        };
        (self.partition + shift) % output_partitions.max(1)
    }
}

/// An output record: the input record number `number` of `source`, transferred by `transaction`.
///
/// As text: `group/2/71/w0.3.15/9/keep/xxxx`, with padding of any length at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Where the input record is.
    pub source: Source,
    /// Its number, which is its offset too.
    pub number: i64,
    /// Worker, incarnation and transaction, never used twice.
    pub transaction: String,
    /// Records of that transaction.
    pub size: usize,
    /// The worker means to abort the transaction.
    pub is_doomed: bool,
}

impl Transfer {
    /// The record's value with `padding` bytes at the end.
    #[must_use]
    pub fn value(&self, padding: usize) -> String {
        let Self {
            source,
            number,
            transaction,
            size,
            is_doomed,
        } = self;
        let fate = if *is_doomed { "abort" } else { "keep" };
        let padding = "x".repeat(padding);
        format!("{source}/{number}/{transaction}/{size}/{fate}/{padding}")
    }

    /// Reads a record's value.
    ///
    /// # Errors
    /// No worker writes that.
    pub fn parse(value: &[u8]) -> anyhow::Result<Self> {
        let text = std::str::from_utf8(value).context("a record of no worker")?;
        let mut words = text.splitn(7, '/');
        let mut word = |what: &str| {
            words
                .next()
                .with_context(|| format!("no {what} in {text:.80}"))
        };
        let source = parse_source(word("lane")?, word("partition")?)?;
        let number = word("number")?.parse()?;
        let transaction = word("transaction")?.to_owned();
        let size = word("size")?.parse()?;
        let fate = word("fate")?;
        ensure!(
            ["abort", "keep"].contains(&fate),
            "what becomes of {text:.80}?"
        );
        Ok(Self {
            source,
            number,
            transaction,
            size,
            is_doomed: fate == "abort",
        })
    }
}

/// The value of input record `number`.
#[must_use]
pub(super) fn input_value(source: Source, number: i64) -> String {
    format!("{source}/{number}")
}

/// Reads an input record's value.
///
/// # Errors
/// The feeder does not write that.
pub(super) fn parse_input(value: &[u8]) -> anyhow::Result<(Source, i64)> {
    let text = std::str::from_utf8(value).context("a record of no feeder")?;
    let words: Vec<_> = text.split('/').collect();
    let [lane, partition, number] = words[..] else {
        anyhow::bail!("not an input record: {text:.80}");
    };
    Ok((parse_source(lane, partition)?, number.parse()?))
}

fn parse_source(lane: &str, partition: &str) -> anyhow::Result<Source> {
    let lane = Lane::ALL.into_iter().find(|known| known.name() == lane);
    Ok(Source {
        lane: lane.context("an unknown lane")?,
        partition: partition.parse()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_back_whatever_its_padding() {
        let transfer = Transfer {
            source: Source {
                lane: Lane::Fixed,
                partition: 1,
            },
            number: 71,
            transaction: "w0.3.15".to_owned(),
            size: 9,
            is_doomed: true,
        };
        for padding in [0, 5000] {
            let value = transfer.value(padding);
            assert_eq!(Transfer::parse(value.as_bytes()).unwrap(), transfer);
        }
        assert!(Transfer::parse(b"fixed/1/71/w0.3.15/9").is_err());
        assert!(Transfer::parse(b"other/1/71/w0.3.15/9/keep/").is_err());
    }

    #[test]
    fn an_input_is_read_back() {
        let source = Source {
            lane: Lane::Group,
            partition: 3,
        };
        let value = input_value(source, 12);
        assert_eq!(parse_input(value.as_bytes()).unwrap(), (source, 12));
        assert!(parse_input(b"group/3/12/4").is_err());
    }
}
