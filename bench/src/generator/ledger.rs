//! Which records were acknowledged and which were read: nothing may be lost, doubled or reordered.
//! Pure.

use std::collections::HashMap;

use serde::Serialize;

/// What became of the records of a load.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Verdict {
    /// Records that the broker acknowledged.
    pub(crate) acknowledged: u64,
    /// Different records that a group of consumers read.
    pub(crate) read: u64,
    /// Acknowledged and not read.
    pub(crate) lost: u64,
    /// Read again.
    pub(crate) duplicated: u64,
    /// Read behind a later record of the same producer in the same partition.
    pub(crate) reordered: u64,
    /// Values that are not as they were sent.
    pub(crate) damaged: u64,
}

impl Verdict {
    /// Whether all is as a broker should keep it.
    pub(crate) fn is_clean(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.reordered == 0 && self.damaged == 0
    }
}

/// The acknowledged records of each producer.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged(HashMap<u32, Sequences>);

impl Acknowledged {
    /// One more record was acknowledged.
    pub(crate) fn note(&mut self, producer: u32, sequence: u64) {
        self.0.entry(producer).or_default().insert(sequence);
    }

    /// Those of other producers too.
    pub(crate) fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many.
    pub(crate) fn count(&self) -> u64 {
        self.0.values().map(|it| it.count).sum()
    }
}

/// What one group has read, wherever its consumers ran.
#[derive(Debug, Default)]
pub(crate) struct ReadRecords {
    sequences: HashMap<u32, Sequences>,
    /// By producer, topic and partition, the last record's sequence number.
    last: HashMap<(u32, u32, i32), u64>,
    duplicated: u64,
    reordered: u64,
    damaged: u64,
}

impl ReadRecords {
    /// One more record of a partition.
    pub(crate) fn note(&mut self, topic: u32, partition: i32, producer: u32, sequence: u64) {
        if !self.sequences.entry(producer).or_default().insert(sequence) {
            self.duplicated += 1;
            return;
        }
        let last = self
            .last
            .entry((producer, topic, partition))
            .or_insert(sequence);
        if sequence < *last {
            self.reordered += 1;
        } else {
            *last = sequence;
        }
    }

    /// One whose value does not match its checksum.
    pub(crate) fn note_damaged(&mut self) {
        self.damaged += 1;
    }

    /// How many different records.
    pub(crate) fn count(&self) -> u64 {
        self.sequences.values().map(|it| it.count).sum()
    }

    /// What became of what was acknowledged.
    pub(crate) fn verdict(&self, acknowledged: &Acknowledged) -> Verdict {
        let lost = acknowledged.0.iter().map(|(producer, sequences)| {
            let read = self.sequences.get(producer);
            read.map_or(sequences.count, |read| sequences.missing_in(read))
        });
        Verdict {
            acknowledged: acknowledged.count(),
            read: self.count(),
            lost: lost.sum(),
            duplicated: self.duplicated,
            reordered: self.reordered,
            damaged: self.damaged,
        }
    }
}

/// Sequence numbers, a bit each.
#[derive(Debug, Default)]
struct Sequences {
    words: Vec<u64>,
    count: u64,
}

impl Sequences {
    /// Whether it is new.
    fn insert(&mut self, sequence: u64) -> bool {
        // A sequence number that is no index of memory is not one of ours.
        let Ok(index) = usize::try_from(sequence / 64) else {
            return false;
        };
        if self.words.len() <= index {
            self.words.resize(index + 1, 0);
        }
        let Some(word) = self.words.get_mut(index) else {
            return false;
        };
        let bit = 1 << (sequence % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        self.count += u64::from(is_new);
        is_new
    }

    fn missing_in(&self, other: &Self) -> u64 {
        let others = other.words.iter().copied().chain(std::iter::repeat(0));
        let missing = self
            .words
            .iter()
            .zip(others)
            .map(|(mine, theirs)| mine & !theirs);
        missing.map(|word| u64::from(word.count_ones())).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acknowledged(sequences: &[u64]) -> Acknowledged {
        let mut acknowledged = Acknowledged::default();
        for sequence in sequences {
            acknowledged.note(0, *sequence);
        }
        acknowledged
    }

    fn read(sequences: &[u64]) -> ReadRecords {
        let mut read = ReadRecords::default();
        for sequence in sequences {
            read.note(0, 0, 0, *sequence);
        }
        read
    }

    #[test]
    fn what_was_read_in_order_and_once_is_clean() {
        let verdict = read(&[0, 1, 64, 200]).verdict(&acknowledged(&[0, 1, 64, 200]));
        assert!(verdict.is_clean(), "{verdict:?}");
        assert_eq!((verdict.acknowledged, verdict.read), (4, 4));
    }

    #[test]
    fn a_record_without_an_acknowledgement_may_be_there_or_not() {
        assert!(read(&[0, 1]).verdict(&acknowledged(&[1])).is_clean());
    }

    #[test]
    fn an_acknowledged_record_that_is_not_there_is_lost() {
        assert_eq!(read(&[0]).verdict(&acknowledged(&[0, 1, 1000])).lost, 2);
        assert_eq!(ReadRecords::default().verdict(&acknowledged(&[5])).lost, 1);
    }

    #[test]
    fn reading_twice_and_out_of_order_is_noticed() {
        let verdict = read(&[0, 2, 1, 2, 3]).verdict(&acknowledged(&[0, 1, 2, 3]));
        assert_eq!(
            (verdict.duplicated, verdict.reordered, verdict.lost),
            (1, 1, 0)
        );
    }

    #[test]
    fn order_counts_within_a_partition_only() {
        let mut read = ReadRecords::default();
        read.note(0, 0, 0, 5);
        read.note(0, 1, 0, 4);
        read.note(1, 0, 0, 3);
        read.note(0, 0, 1, 0);
        assert_eq!(read.reordered, 0);
    }
}
