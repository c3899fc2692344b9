//! Which neighbouring segments become one: compaction makes segments small, and without this there
//! would be ever more of them. Pure. (Kafka `Cleaner.groupSegmentsBySize`.)

use crate::config::LogConfig;

/// What decides about a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentSize {
    pub(super) base_offset: i64,
    /// The next segment's base offset.
    pub(super) end_offset: i64,
    pub(super) log_bytes: u64,
    pub(super) offset_index_bytes: u64,
    pub(super) time_index_bytes: u64,
}

/// How many segments each group has, in their order. A group's log and indices are not larger than
/// one segment's may be, and its offsets lie close enough together for one; except for a group of
/// one segment.
pub(super) fn group_segments(segments: &[SegmentSize], config: &LogConfig) -> Vec<usize> {
    let log_bytes_max = u64::from(config.segment_bytes_max());
    let index_bytes_max = u64::from(config.segment_index_bytes);
    let mut counts = Vec::new();
    let mut rest = segments;
    while let Some((first, others)) = rest.split_first() {
        let mut sum = *first;
        let joined = others.iter().take_while(|next| {
            sum.log_bytes += next.log_bytes;
            sum.offset_index_bytes += next.offset_index_bytes;
            sum.time_index_bytes += next.time_index_bytes;
            let has_near_offsets = next.end_offset - 1 - first.base_offset <= i64::from(i32::MAX);
            sum.log_bytes <= log_bytes_max
                && sum.offset_index_bytes <= index_bytes_max
                && sum.time_index_bytes <= index_bytes_max
                && (has_near_offsets || next.log_bytes == 0)
        });
        let count = 1 + joined.count();
        counts.push(count);
        rest = &rest[count..];
    }
    counts
}

#[cfg(test)]
mod tests;
