//! Which offset a timestamp stands for: ListOffsets. Reads indices, then records. Blocks; not for
//! a ring's thread. (Kafka `UnifiedLog.fetchOffsetByTimestamp`.)

use std::sync::Arc;

use ringbrook_record::{Batch, RecordBuffer};

use super::partition_log::PartitionLog;
use crate::error::{EngineError, ReadError};
use crate::io::{Access, Disk, block_on_ready};
use crate::segment::{BatchPlace, FileKind, HeaderReader, Segment, segment_file_name};

/// Decompressed bytes of one batch that are looked at.
const RECORDS_BYTES_MAX: usize = 256 << 20;

/// A record found by its timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampAndOffset {
    /// The record's timestamp in ms.
    pub timestamp: i64,
    /// The record's offset.
    pub offset: i64,
    /// The epoch of the leader that appended it; `None` in data without epochs.
    pub leader_epoch: Option<i32>,
}

impl<D: Disk> PartitionLog<D> {
    /// The first record below `limit` whose timestamp is not before `timestamp`.
    ///
    /// # Errors
    /// When a file cannot be read or a batch not be decoded.
    pub fn offset_for_timestamp(
        &self,
        timestamp: i64,
        limit: i64,
    ) -> Result<Option<TimestampAndOffset>, EngineError> {
        let found = self.find_timestamp(timestamp, limit);
        match self.successor() {
            // It moved to another log dir meanwhile.
            Some(successor) if found.is_err() => successor.offset_for_timestamp(timestamp, limit),
            _ => found,
        }
    }

    fn find_timestamp(
        &self,
        timestamp: i64,
        limit: i64,
    ) -> Result<Option<TimestampAndOffset>, EngineError> {
        let (segments, log_start) = self.published_segments();
        for segment in segments {
            if segment.bytes() == 0 || self.largest_timestamp(&segment)? < timestamp {
                continue;
            }
            let dir = self.dir.load_full();
            let floor =
                segment.floor_offset_of_timestamp(Access::Blocking, &self.disk, &dir, timestamp);
            let floor =
                block_on_ready(floor).map_err(|source| self.unreadable(&segment, source))?;
            let matches = |place: &BatchPlace| timestamp <= place.header.max_timestamp;
            let found = self.find_record(&segment, floor.max(log_start), matches, |found| {
                timestamp <= found.timestamp && log_start <= found.offset
            })?;
            if let Some(found) = found {
                return Ok((found.offset < limit).then_some(found));
            }
        }
        Ok(None)
    }

    /// The first record with the largest timestamp of the log.
    ///
    /// # Errors
    /// When a file cannot be read or a batch not be decoded.
    pub fn max_timestamp_offset(&self) -> Result<Option<TimestampAndOffset>, EngineError> {
        let found = self.find_max_timestamp();
        match self.successor() {
            Some(successor) if found.is_err() => successor.max_timestamp_offset(),
            _ => found,
        }
    }

    fn find_max_timestamp(&self) -> Result<Option<TimestampAndOffset>, EngineError> {
        let (segments, log_start) = self.published_segments();
        let dir = self.dir.load_full();
        let mut best: Option<(i64, Arc<Segment<D>>)> = None;
        for segment in segments {
            let largest = block_on_ready(segment.largest(Access::Blocking, &self.disk, &dir))
                .map_err(|source| self.unreadable(&segment, source))?;
            if let Some(largest) = largest
                && best
                    .as_ref()
                    .is_none_or(|(timestamp, _)| *timestamp < largest.timestamp)
            {
                best = Some((largest.timestamp, segment));
            }
        }
        let Some((timestamp, segment)) = best else {
            return Ok(None);
        };
        let floor = segment.base_offset().max(log_start);
        let matches = |place: &BatchPlace| timestamp <= place.header.max_timestamp;
        self.find_record(&segment, floor, matches, |found| {
            timestamp <= found.timestamp && log_start <= found.offset
        })
    }

    fn published_segments(&self) -> (Vec<Arc<Segment<D>>>, i64) {
        let state = self.lock();
        let log_start = state.offsets.log_start();
        let first = state.segment_index(log_start).unwrap_or(0);
        (state.segments[first..].to_vec(), log_start)
    }

    fn unreadable(&self, segment: &Segment<D>, source: std::io::Error) -> EngineError {
        EngineError::io(
            "read",
            &self.path_of(segment.base_offset(), FileKind::Log),
            source,
        )
    }

    /// The first record that fits in the batches from `floor` on that match.
    fn find_record(
        &self,
        segment: &Segment<D>,
        floor: i64,
        matches: impl Fn(&BatchPlace) -> bool,
        fits: impl Fn(&TimestampAndOffset) -> bool,
    ) -> Result<Option<TimestampAndOffset>, EngineError> {
        let dir = self.dir.load_full();
        let path = dir.join(segment_file_name(segment.base_offset(), FileKind::Log));
        let file = self.open_blocking(segment, FileKind::Log)?;
        let start = segment.floor_position(Access::Blocking, &self.disk, &dir, floor);
        let mut position =
            block_on_ready(start).map_err(|source| self.unreadable(segment, source))?;
        let (base_offset, end) = (segment.base_offset(), segment.bytes());
        let mut headers = HeaderReader::new(Access::Blocking, &self.disk, &file, base_offset, end);
        let mut buffer = RecordBuffer::new();
        while let Some(place) =
            block_on_ready(headers.find(position, floor)).map_err(|error| match error {
                ReadError::Io(source) => EngineError::io("read", &path, source),
                other => EngineError::corrupt(&path, other.to_string()),
            })?
        {
            if matches(&place) {
                let found = self
                    .search_batch(&file, &place, &mut buffer, &fits)
                    .map_err(|problem| match problem {
                        Problem::Io(source) => EngineError::io("read", &path, source),
                        Problem::Records(source) => EngineError::CorruptRecords {
                            path: path.clone(),
                            position: place.position,
                            source,
                        },
                    })?;
                if found.is_some() {
                    return Ok(found);
                }
            }
            position = place.end();
        }
        Ok(None)
    }

    fn search_batch(
        &self,
        file: &D::File,
        place: &BatchPlace,
        buffer: &mut RecordBuffer,
        fits: impl Fn(&TimestampAndOffset) -> bool,
    ) -> Result<Option<TimestampAndOffset>, Problem> {
        let mut bytes = vec![0; place.header.size_bytes()];
        let read = self
            .disk
            .read_at(file, &mut bytes, place.position)
            .map_err(Problem::Io)?;
        let batch = Batch::parse(&bytes[..read]).map_err(Problem::Records)?;
        let epoch = place.header.partition_leader_epoch;
        for record in batch
            .records(buffer, RECORDS_BYTES_MAX)
            .map_err(Problem::Records)?
        {
            let record = record.map_err(Problem::Records)?;
            let found = TimestampAndOffset {
                timestamp: place.header.record_timestamp(record.timestamp_delta),
                offset: place.header.record_offset(record.offset_delta),
                leader_epoch: (0 <= epoch).then_some(epoch),
            };
            if fits(&found) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

enum Problem {
    Io(std::io::Error),
    Records(ringbrook_record::RecordError),
}
