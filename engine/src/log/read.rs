//! Reading: finds the byte range of a fetch from the offset index and batch headers. The answer is
//! file regions, not bytes: the broker sends them with `sendfile`. Records are never decoded. On a
//! ring's thread nothing blocks: what is not in the page cache is read through the ring, headers
//! here and the regions by `log::cold_read`.

use std::io;
use std::sync::Arc;

use super::aborted::{Deciding, ReadRange};
use super::partition_log::PartitionLog;
use super::recent_batches::RecentBatch;
use crate::error::ReadError;
use crate::index::AbortedTransaction;
use crate::io::{Access, Disk, block_on_ready};
use crate::segment::{HeaderReader, Segment};
use crate::units::usize_from;

/// What was written lately counts as cached if it is not further from the end than this.
const RECENT_BYTES_MAX: u64 = 64 << 20;

/// A range of a segment file.
#[derive(Debug)]
pub struct FileRegion<D: Disk> {
    /// The file; stays readable after the segment was deleted.
    pub file: Arc<D::File>,
    /// First byte.
    pub position: u64,
    /// Number of bytes.
    pub len: usize,
    /// Base offset of the segment.
    pub(crate) base_offset: i64,
    /// Published bytes of the segment.
    pub(crate) segment_bytes: u64,
    /// Was written a moment ago, so it is in the page cache.
    pub(crate) is_recent: bool,
}

impl<D: Disk> Clone for FileRegion<D> {
    fn clone(&self) -> Self {
        Self {
            file: Arc::clone(&self.file),
            position: self.position,
            len: self.len,
            base_offset: self.base_offset,
            segment_bytes: self.segment_bytes,
            is_recent: self.is_recent,
        }
    }
}

/// What a fetch gets: whole batches, the last of which may be cut.
#[derive(Debug)]
pub struct LogSlice<D: Disk> {
    /// The bytes, in order. At most one at present: a read ends with its segment.
    pub regions: Vec<FileRegion<D>>,
    /// Bytes of all regions.
    pub bytes: usize,
    /// Aborted transactions that overlap the bytes, and perhaps some behind them; only of
    /// [`PartitionLog::read_committed`].
    pub aborted: Vec<AbortedTransaction>,
}

impl<D: Disk> LogSlice<D> {
    fn empty() -> Self {
        Self {
            regions: Vec::new(),
            bytes: 0,
            aborted: Vec::new(),
        }
    }
}

/// What a read is asked for.
#[derive(Clone, Copy)]
struct Wanted {
    start: i64,
    max_bytes: usize,
    upper: i64,
    min_one_batch: bool,
    /// The aborted transactions as well.
    is_committed: bool,
}

impl Wanted {
    const fn new(
        start: i64,
        max_bytes: usize,
        upper: i64,
        min_one_batch: bool,
        is_committed: bool,
    ) -> Self {
        Self {
            start,
            max_bytes,
            upper,
            min_one_batch,
            is_committed,
        }
    }
}

/// A segment to look into.
struct Candidate<D: Disk> {
    segment: Arc<Segment<D>>,
    /// Published bytes at the time of the question.
    bytes: u64,
    /// Base offset of the next segment, `None` for the active one.
    next_base_offset: Option<i64>,
    /// The batch to begin with, when it is known.
    first: Option<RecentBatch>,
    /// The position of the upper limit, when it is known.
    end: Option<u64>,
    /// Where to look for aborted transactions, if they are wanted.
    deciding: Deciding<D>,
}

impl<D: Disk> Candidate<D> {
    fn is_recent(&self, position: u64) -> bool {
        let far = self.bytes.saturating_sub(RECENT_BYTES_MAX);
        self.next_base_offset.is_none() && self.segment.recent_from().max(far) <= position
    }
}

impl<D: Disk> PartitionLog<D> {
    /// The bytes from the batch that holds `start` up to the batch that holds `upper` (a high
    /// watermark, last stable offset or log end offset; exclusive), at most `max_bytes`. A cut may
    /// lie inside a batch, except the first one: when that does not fit, it is returned whole with
    /// `min_one_batch`, and nothing is returned without it. Await it on a ring's thread.
    ///
    /// # Errors
    /// [`ReadError::OffsetOutOfRange`] below the log start offset or above the log end offset. A
    /// failed read does not take the log dir offline.
    pub async fn read(
        &self,
        start: i64,
        max_bytes: usize,
        upper: i64,
        min_one_batch: bool,
    ) -> Result<LogSlice<D>, ReadError> {
        let wanted = Wanted::new(start, max_bytes, upper, min_one_batch, false);
        self.read_with(Access::Ring, wanted).await
    }

    /// [`Self::read`] for a `read_committed` consumer, below the last stable offset `upper`: tells
    /// the aborted transactions in what was read as well.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_committed(
        &self,
        start: i64,
        max_bytes: usize,
        upper: i64,
        min_one_batch: bool,
    ) -> Result<LogSlice<D>, ReadError> {
        let wanted = Wanted::new(start, max_bytes, upper, min_one_batch, true);
        self.read_with(Access::Ring, wanted).await
    }

    /// [`Self::read_committed`] on a thread that may block.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_committed_blocking(
        &self,
        start: i64,
        max_bytes: usize,
        upper: i64,
        min_one_batch: bool,
    ) -> Result<LogSlice<D>, ReadError> {
        let wanted = Wanted::new(start, max_bytes, upper, min_one_batch, true);
        block_on_ready(self.read_with(Access::Blocking, wanted))
    }

    /// [`Self::read`] on a thread that may block.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_blocking(
        &self,
        start: i64,
        max_bytes: usize,
        upper: i64,
        min_one_batch: bool,
    ) -> Result<LogSlice<D>, ReadError> {
        let wanted = Wanted::new(start, max_bytes, upper, min_one_batch, false);
        block_on_ready(self.read_with(Access::Blocking, wanted))
    }

    /// Reads here or, when this log was moved to another log dir meanwhile, there.
    async fn read_with(&self, access: Access, wanted: Wanted) -> Result<LogSlice<D>, ReadError> {
        let mut log = self;
        loop {
            let slice = log.read_here(access, wanted).await;
            match (slice, log.successor()) {
                (Err(_), Some(successor)) => log = successor,
                (slice, _) => return slice,
            }
        }
    }

    async fn read_here(&self, access: Access, wanted: Wanted) -> Result<LogSlice<D>, ReadError> {
        let Wanted {
            start,
            max_bytes,
            upper,
            min_one_batch,
            ..
        } = wanted;
        let mut at = start;
        loop {
            let Some(candidate) = self.candidate(wanted, at)? else {
                return Ok(LogSlice::empty());
            };
            let result = self.read_segment(access, &candidate, start, upper).await;
            let (file, position, first_bytes, end) = match (result, candidate.next_base_offset) {
                (Ok(Some(found)), _) => found,
                (Ok(None), Some(next)) => {
                    // Nothing at or after `start` is left in this segment: compaction made a gap.
                    at = next;
                    continue;
                }
                (Ok(None), None) => return Ok(LogSlice::empty()),
                (Err(error), _) => return Err(self.explain(error, start)),
            };
            let available = usize_from(end.saturating_sub(position));
            let wanted = if min_one_batch {
                max_bytes.max(first_bytes)
            } else {
                max_bytes
            };
            let len = available.min(wanted);
            if len < first_bytes {
                return Ok(LogSlice::empty());
            }
            let aborted = if candidate.deciding.is_empty() || len == 0 {
                Vec::new()
            } else {
                let range = ReadRange {
                    segment: &candidate.segment,
                    end: position + len as u64,
                    start,
                    upper: candidate.next_base_offset.unwrap_or(upper).min(upper),
                };
                let aborted = self.aborted_in(access, &candidate.deciding, &range).await;
                aborted.map_err(|error| self.explain(error, start))?
            };
            let regions = vec![FileRegion {
                file,
                position,
                len,
                base_offset: candidate.segment.base_offset(),
                segment_bytes: candidate.bytes,
                is_recent: candidate.is_recent(position),
            }];
            return Ok(LogSlice {
                regions,
                bytes: len,
                aborted,
            });
        }
    }

    /// The segment to look into for the first batch at or after `at`; `None` when nothing below
    /// `upper` can be there.
    fn candidate(&self, wanted: Wanted, at: i64) -> Result<Option<Candidate<D>>, ReadError> {
        let start = wanted.start;
        if self.is_deleted() {
            return Err(ReadError::LogDeleted);
        }
        if self.health.is_offline() {
            return Err(ReadError::LogDirOffline);
        }
        let state = self.lock();
        let (log_start, log_end) = (state.offsets.log_start(), state.offsets.log_end());
        if start < log_start || log_end < start {
            return Err(ReadError::OffsetOutOfRange {
                offset: start,
                log_start,
                log_end,
            });
        }
        let upper = wanted.upper.min(log_end);
        if upper <= at {
            return Ok(None);
        }
        let index = state.segment_index(at).unwrap_or(0);
        let segment = Arc::clone(&state.segments[index]);
        let next_base_offset = state.segments.get(index + 1).map(|next| next.base_offset());
        let bytes = segment.bytes();
        let is_active = next_base_offset.is_none();
        let first = if is_active {
            state.recent.find(at)
        } else {
            None
        };
        let is_whole = next_base_offset.unwrap_or(log_end) <= upper;
        let end = if is_whole {
            Some(bytes)
        } else if is_active {
            state.recent.find(upper).map(|batch| batch.position)
        } else {
            None
        };
        let deciding = if wanted.is_committed {
            state.deciding_segments(index, next_base_offset.unwrap_or(upper).min(upper))
        } else {
            Vec::new()
        };
        Ok(Some(Candidate {
            deciding,
            segment,
            bytes,
            next_base_offset,
            first,
            end,
        }))
    }

    /// File, position and size of the first batch, and the position of the upper limit.
    async fn read_segment(
        &self,
        access: Access,
        candidate: &Candidate<D>,
        start: i64,
        upper: i64,
    ) -> Result<Option<(Arc<D::File>, u64, usize, u64)>, ReadError> {
        let Candidate {
            segment,
            bytes,
            first,
            end,
            ..
        } = candidate;
        if *bytes == 0 {
            return Ok(None);
        }
        let dir = self.dir.load_full();
        let file = segment.file_to_fetch_from(access, &self.disk, &dir).await?;
        let mut headers =
            HeaderReader::new(access, &self.disk, &file, segment.base_offset(), *bytes);
        let (position, first_bytes) = match first {
            Some(batch) => (batch.position, usize_from(batch.bytes)),
            None => {
                let around = segment
                    .positions_around(access, &self.disk, &dir, start)
                    .await?;
                match headers.find_between(around, start).await? {
                    Some(place) => (place.position, place.header.size_bytes()),
                    None => return Ok(None),
                }
            }
        };
        let end = match end {
            Some(end) => *end,
            None => {
                let mut around = segment
                    .positions_around(access, &self.disk, &dir, upper)
                    .await?;
                around.floor = around.floor.max(position);
                around.ceiling = around.ceiling.filter(|&ceiling| position < ceiling);
                let found = headers.find_between(around, upper).await?;
                found.map_or(*bytes, |place| place.position)
            }
        };
        Ok(Some((file, position, first_bytes, end)))
    }

    /// A segment may be deleted between the choice and the opening of its file.
    fn explain(&self, error: ReadError, offset: i64) -> ReadError {
        let is_missing =
            matches!(&error, ReadError::Io(error) if error.kind() == io::ErrorKind::NotFound);
        if !is_missing {
            return error;
        }
        if self.is_deleted() {
            return ReadError::LogDeleted;
        }
        let offsets = self.offsets();
        if offsets.log_start <= offset {
            return error;
        }
        ReadError::OffsetOutOfRange {
            offset,
            log_start: offsets.log_start,
            log_end: offsets.log_end,
        }
    }

    /// The bytes of a slice, for callers that need them in memory. Blocks; not for a ring's thread.
    ///
    /// # Errors
    /// [`ReadError::Io`], also when a file is shorter than its region.
    pub fn load_blocking(&self, slice: &LogSlice<D>) -> Result<Vec<u8>, ReadError> {
        let mut bytes = vec![0; slice.bytes];
        let mut filled = 0;
        for region in &slice.regions {
            let target = &mut bytes[filled..filled + region.len];
            let read = self.disk.read_at(&region.file, target, region.position)?;
            if read < region.len {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            filled += read;
        }
        Ok(bytes)
    }
}
