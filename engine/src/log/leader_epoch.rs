//! Which leader epoch began at which offset. Pure; the partition log keeps one in memory and writes
//! it to `leader-epoch-checkpoint`. (Kafka `LeaderEpochFileCache`, KIP-101.)

use crate::checkpoint::{parse_entries, render_entries};

/// The file's name.
pub(crate) const LEADER_EPOCH_CHECKPOINT: &str = "leader-epoch-checkpoint";

/// Where the log of an epoch ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEndOffset {
    /// The epoch the answer is about; at most the one asked for, or the log's latest.
    pub epoch: i32,
    /// First offset that belongs to a later epoch, or the log end offset.
    pub end_offset: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct EpochStart {
    epoch: i32,
    start_offset: i64,
}

/// The epochs of a log; epochs and start offsets both increase.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LeaderEpochs {
    starts: Vec<EpochStart>,
}

impl LeaderEpochs {
    /// Reads a whole file.
    ///
    /// # Errors
    /// What is wrong, in one clause.
    pub(crate) fn parse(content: &[u8]) -> Result<Self, String> {
        let starts = parse_entries(content, |fields| match fields {
            [epoch, start_offset] => Some(EpochStart {
                epoch: epoch.parse().ok().filter(|epoch| 0 <= *epoch)?,
                start_offset: start_offset.parse().ok().filter(|offset| 0 <= *offset)?,
            }),
            _ => None,
        })?;
        let is_rising =
            starts.is_sorted_by(|a, b| a.epoch < b.epoch && a.start_offset <= b.start_offset);
        if is_rising {
            Ok(Self { starts })
        } else {
            Err("its epochs do not increase".to_owned())
        }
    }

    /// The whole file.
    pub(crate) fn render(&self) -> String {
        render_entries(
            self.starts
                .iter()
                .map(|start| format!("{} {}", start.epoch, start.start_offset)),
        )
    }

    /// The latest epoch.
    pub(crate) fn latest(&self) -> Option<i32> {
        self.starts.last().map(|start| start.epoch)
    }

    /// Notes that `epoch` begins at `start_offset`; returns whether that was news. An epoch below
    /// the latest is ignored. Entries at or above the new start are of a history that did not
    /// happen and go.
    pub(crate) fn assign(&mut self, epoch: i32, start_offset: i64) -> bool {
        if epoch < 0 || self.latest().is_some_and(|latest| epoch <= latest) {
            return false;
        }
        while self
            .starts
            .last()
            .is_some_and(|last| start_offset <= last.start_offset)
        {
            self.starts.pop();
        }
        self.starts.push(EpochStart {
            epoch,
            start_offset,
        });
        true
    }

    /// Where the log of `epoch` ends, `None` when this log cannot tell.
    pub(crate) fn end_offset_for(&self, epoch: i32, log_end: i64) -> Option<EpochEndOffset> {
        let latest = self.latest()?;
        if epoch == latest {
            return Some(EpochEndOffset {
                epoch,
                end_offset: log_end,
            });
        }
        if latest < epoch || epoch < 0 {
            return None;
        }
        let above = self.starts.partition_point(|start| start.epoch <= epoch);
        let end_offset = self.starts[above].start_offset;
        let floor = above
            .checked_sub(1)
            .map_or(epoch, |index| self.starts[index].epoch);
        Some(EpochEndOffset {
            epoch: floor,
            end_offset,
        })
    }

    /// The epoch the batch at `offset` was appended in.
    pub(crate) fn epoch_of(&self, offset: i64) -> Option<i32> {
        let above = self
            .starts
            .partition_point(|start| start.start_offset <= offset);
        above.checked_sub(1).map(|index| self.starts[index].epoch)
    }

    /// The log ends at `offset` now; returns whether anything changed.
    pub(crate) fn truncate_from_end(&mut self, offset: i64) -> bool {
        let kept = self
            .starts
            .partition_point(|start| start.start_offset < offset);
        let has_changed = kept < self.starts.len();
        self.starts.truncate(kept);
        has_changed
    }

    /// The log starts at `offset` now; the epoch it lies in is kept and moved. Returns whether
    /// anything changed.
    pub(crate) fn truncate_from_start(&mut self, offset: i64) -> bool {
        let above = self
            .starts
            .partition_point(|start| start.start_offset <= offset);
        let Some(floor) = above.checked_sub(1) else {
            return false;
        };
        let has_changed = 0 < floor || self.starts[floor].start_offset < offset;
        self.starts.drain(..floor);
        self.starts[0].start_offset = offset;
        has_changed
    }
}
