//! Judges what a `read_committed` reader of the output sees. Pure: no I/O, no time.
//!
//! All records of an input partition go to one output partition, so exactly once in the order of
//! the input means: the numbers of a [`Source`] come without gaps from 0 on. A number that comes
//! again was transferred twice, one that is passed over was lost or overtaken.

use std::collections::{BTreeMap, HashMap};

use crate::exactly_once::{Source, Transfer};

/// What must never be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A record of a transaction that its worker never commits was seen.
    #[error("aborted data is visible: {record:?} at offset {offset} of partition {partition}")]
    AbortedVisible {
        /// Output partition.
        partition: i32,
        /// Offset in it.
        offset: i64,
        /// The record.
        record: Transfer,
    },
    /// A record was seen again.
    #[error("transferred twice: {record:?} at offset {offset} of partition {partition}")]
    Twice {
        /// Output partition.
        partition: i32,
        /// Offset in it.
        offset: i64,
        /// The record.
        record: Transfer,
    },
    /// A record was seen before one that precedes it.
    #[error(
        "lost or out of order: {record:?} at offset {offset} of partition {partition}, \
         expected number {expected}"
    )]
    Gap {
        /// Output partition.
        partition: i32,
        /// Offset in it.
        offset: i64,
        /// The record.
        record: Transfer,
        /// The number that had to come.
        expected: i64,
    },
    /// The offsets of a partition do not increase.
    #[error("offset {offset} of partition {partition} was passed already")]
    OffsetPassed {
        /// Output partition.
        partition: i32,
        /// Offset in it.
        offset: i64,
    },
    /// A record is in another partition than the one it was sent to, or not a worker's at all.
    #[error("a stray record at offset {offset} of partition {partition}: {problem}")]
    Stray {
        /// Output partition.
        partition: i32,
        /// Offset in it.
        offset: i64,
        /// What is wrong with it.
        problem: String,
    },
    /// At the end not all of a transaction was seen.
    #[error("{missing} of {size} records of transaction {transaction} are not visible")]
    TornTransaction {
        /// Its name.
        transaction: String,
        /// Its records.
        size: usize,
        /// Those not seen.
        missing: usize,
    },
    /// At the end not all input is in the output.
    #[error("{transferred} of {fed} records of {source_partition} are in the output")]
    Incomplete {
        /// Input partition.
        source_partition: Source,
        /// Records in the input.
        fed: i64,
        /// Records of it in the output.
        transferred: i64,
    },
    /// At the end the committed offset is not where the output ends.
    #[error("offset {committed} of {source_partition} is committed, the output has {transferred}")]
    OffsetsDisagree {
        /// Input partition.
        source_partition: Source,
        /// Records of it in the output.
        transferred: i64,
        /// Committed offset, -1 for none.
        committed: i64,
    },
}

/// A transaction of which records were seen.
#[derive(Debug)]
struct Seen {
    size: usize,
    missing: usize,
}

/// The judge of one reader.
#[derive(Debug)]
pub struct Checker {
    output_partitions: i32,
    /// The number that has to come next.
    next: BTreeMap<Source, i64>,
    /// The least offset that may come next in each output partition.
    next_offset: BTreeMap<i32, i64>,
    transactions: HashMap<String, Seen>,
}

impl Checker {
    /// For an output topic of so many partitions.
    #[must_use]
    pub fn new(output_partitions: i32) -> Self {
        Self {
            output_partitions,
            next: BTreeMap::new(),
            next_offset: BTreeMap::new(),
            transactions: HashMap::new(),
        }
    }

    /// Takes the next record of `partition`.
    ///
    /// # Errors
    /// Exactly once is violated. What comes afterwards is not to be judged any more.
    pub fn observe(&mut self, partition: i32, offset: i64, value: &[u8]) -> Result<(), Violation> {
        let next_offset = self.next_offset.entry(partition).or_insert(0);
        if offset < *next_offset {
            return Err(Violation::OffsetPassed { partition, offset });
        }
        *next_offset = offset + 1;
        let stray = |problem: String| Violation::Stray {
            partition,
            offset,
            problem,
        };
        let record = Transfer::parse(value).map_err(|error| stray(format!("{error:#}")))?;
        if record.source.output_partition(self.output_partitions) != partition {
            return Err(stray(format!("{record:?} belongs elsewhere")));
        }
        if record.is_doomed {
            return Err(Violation::AbortedVisible {
                partition,
                offset,
                record,
            });
        }
        let next = self.next.entry(record.source).or_insert(0);
        if record.number < *next {
            return Err(Violation::Twice {
                partition,
                offset,
                record,
            });
        }
        if *next < record.number {
            return Err(Violation::Gap {
                partition,
                offset,
                expected: *next,
                record,
            });
        }
        *next += 1;
        self.count(record);
        Ok(())
    }

    fn count(&mut self, record: Transfer) {
        let size = record.size;
        let seen = self.transactions.entry(record.transaction);
        let seen = seen.or_insert(Seen {
            size,
            missing: size,
        });
        // More records than announced are at least one record twice, which is found before.
        seen.missing = seen.missing.saturating_sub(1);
    }

    /// Records of `source` seen so far.
    #[must_use]
    pub fn transferred(&self, source: Source) -> i64 {
        self.next.get(&source).copied().unwrap_or(0)
    }

    /// Transactions seen so far, whole or not.
    #[must_use]
    pub fn transactions(&self) -> usize {
        self.transactions.len()
    }

    /// Whether the output has all of `fed`.
    ///
    /// # Errors
    /// The first input partition of which something is missing.
    pub fn complete(&self, fed: &BTreeMap<Source, i64>) -> Result<(), Violation> {
        for (&source_partition, &fed) in fed {
            let transferred = self.transferred(source_partition);
            if transferred != fed {
                return Err(Violation::Incomplete {
                    source_partition,
                    fed,
                    transferred,
                });
            }
        }
        Ok(())
    }

    /// Judges the end: `fed` is what each input partition holds, `committed` the offset that the
    /// group has committed in it.
    ///
    /// # Errors
    /// The first violation found.
    pub fn finish(
        &self,
        fed: &BTreeMap<Source, i64>,
        committed: &BTreeMap<Source, i64>,
    ) -> Result<(), Violation> {
        self.complete(fed)?;
        for &source in fed.keys() {
            let transferred = self.transferred(source);
            let committed = committed.get(&source).copied().unwrap_or(-1);
            // Without records nothing need have been committed.
            if committed != transferred && 0 < transferred {
                return Err(Violation::OffsetsDisagree {
                    source_partition: source,
                    transferred,
                    committed,
                });
            }
        }
        let torn = self.transactions.iter().find(|(_, seen)| seen.missing != 0);
        match torn {
            Some((transaction, seen)) => Err(Violation::TornTransaction {
                transaction: transaction.clone(),
                size: seen.size,
                missing: seen.missing,
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
