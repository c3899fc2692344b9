//! One segment of a log: its files' names, what is known about it in memory, where batches lie in
//! it, and when it is full. What a log does with its segments is in `log`.

mod batch_search;
mod file_name;
mod recent_writes;
mod recovery;
mod rewriter;
mod segment_files;
mod segment_tail;
mod unsynced;
mod zeroed_ahead;

pub(crate) use batch_search::{BatchPlace, HeaderReader};
pub(crate) use file_name::{
    CLEANED_SUFFIX, DELETED_SUFFIX, DirKind, FileKind, SWAP_SUFFIX, deleted_dir_name,
    future_dir_name, partition_dir_name, segment_file_name, stray_dir_name, with_suffix,
};
pub(crate) use recent_writes::RecentWrites;
pub(crate) use recovery::{
    RecoveredSegment, SegmentBorders, SegmentFile, find_borders, is_within_reach, recover_segment,
};
pub(crate) use rewriter::{RewrittenSegment, SegmentRewriter};
pub(crate) use segment_files::{Largest, Segment, SegmentIndexes};
pub(crate) use segment_tail::{BatchFacts, NewEntries, ResumedTail, SegmentTail};
#[cfg(test)]
pub(crate) use zeroed_ahead::CACHED_STEP_BYTES;
pub(crate) use zeroed_ahead::WrittenAt;

#[cfg(test)]
mod tests;
