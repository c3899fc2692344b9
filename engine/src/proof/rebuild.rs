//! L3: indices removed and built again equal those that follow from the log by Kafka's rule,
//! written down here once more.

use std::path::Path;

use super::breach::{Breach, Checked, Rule, check};
use super::files::{SegmentContent, read_segments};
use crate::config::LogConfig;
use crate::io::{Disk, SimDisk};
use crate::segment::{FileKind, segment_file_name};

/// Removes every index of a partition.
pub(crate) fn remove_indexes(disk: &SimDisk, dir: &Path) -> Checked {
    for segment in read_segments(disk, dir)? {
        for kind in [
            FileKind::OffsetIndex,
            FileKind::TimeIndex,
            FileKind::TxnIndex,
        ] {
            let path = dir.join(segment_file_name(segment.base_offset, kind));
            disk.remove_file_if_present(&path)
                .map_err(|error| Breach::new(Rule::Operation, error.to_string()))?;
        }
    }
    Ok(())
}

/// The indices in the directory are exactly those that the logs lead to.
pub(crate) fn check_rebuilt(disk: &SimDisk, dir: &Path, config: &LogConfig) -> Checked {
    for segment in read_segments(disk, dir)? {
        let (offsets, times) = follow(&segment, config);
        let is_same = segment.offset_index == offsets && segment.time_index == times;
        check(Rule::L3, is_same, || {
            format!(
                "segment {}: {:?} and {:?}, the log leads to {offsets:?} and {times:?}",
                segment.base_offset, segment.offset_index, segment.time_index
            )
        })?;
    }
    Ok(())
}

type Indices = (Vec<(i64, usize)>, Vec<(i64, i64)>);

/// Kafka's rule: an entry when more than the interval was written since the last one, for the batch
/// that comes then; the newest timestamp so far if it is news; once more at the end.
fn follow(segment: &SegmentContent, config: &LogConfig) -> Indices {
    let (mut offsets, mut times) = (Vec::new(), Vec::new());
    let (mut since_entry, mut newest, mut indexed) = (0, (-1, 0), -1);
    for place in &segment.batches {
        let relative = place.header.last_offset() - segment.base_offset;
        if newest.0 < place.header.max_timestamp {
            newest = (place.header.max_timestamp, relative);
        }
        if (config.index_interval_bytes as usize) < since_entry {
            if offsets.len() < config.segment_index_bytes as usize / 8 {
                offsets.push((relative, place.position));
            }
            let times_max = config.segment_index_bytes as usize / 12;
            if indexed < newest.0 && times.len() + 1 < times_max {
                times.push(newest);
                indexed = newest.0;
            }
            since_entry = 0;
        }
        since_entry += place.header.size_bytes();
    }
    if indexed < newest.0 {
        times.push(newest);
    }
    (offsets, times)
}
