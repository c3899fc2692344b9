//! Looks at one segment: every batch's header, offsets and CRC, and that the entries of its indices
//! increase and point at batch starts (L3). Reads pieces of some 100 KiB, and drops from the page
//! cache what was not in it before. Blocks; on the scrub's thread.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use ringbrook_record::{BatchHeader, HEADER_BYTES};

use super::{Pace, Stopped};
use crate::index::{IndexEntry, OffsetEntry, TimeEntry};
use crate::io::{Cached, Disk};
use crate::log::PartitionLog;
use crate::segment::{FileKind, Segment};
use crate::units::usize_from;

/// Bytes read at once.
const CHUNK_BYTES: u64 = 256 << 10;
/// What is asked about and dropped from the page cache as one.
const GRAIN_BYTES: u64 = 64 << 10;
/// Where the bytes covered by the CRC begin: at the attributes.
const CRC_FROM: u64 = 21;
/// Findings in one segment; with so many nobody needs the others.
const FINDINGS_MAX: usize = 100;

/// Something that is wrong.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) kind: FileKind,
    pub(super) position: u64,
    pub(super) offset: i64,
    pub(super) problem: String,
}

impl Finding {
    pub(super) fn is_same_place(&self, other: &Self) -> bool {
        self.kind == other.kind && self.position == other.position
    }
}

/// A segment to look at, as it was when it was asked for.
pub(super) struct SegmentCheck<D: Disk> {
    log: Arc<PartitionLog<D>>,
    segment: Arc<Segment<D>>,
    /// Offsets lie below: the next segment's base offset, or the log end.
    end_offset: i64,
    /// Bytes to look at; a batch ends there.
    bytes: u64,
    is_rolled: bool,
}

impl<D: Disk> SegmentCheck<D> {
    /// The first segment from `base_offset` on. Of the active one, what was not written lately.
    pub(super) fn of(log: &Arc<PartitionLog<D>>, base_offset: i64) -> Option<Self> {
        if log.is_deleted() || log.is_closed() || log.is_offline() {
            return None;
        }
        let state = log.lock();
        let index = state
            .segments
            .partition_point(|segment| segment.base_offset() < base_offset);
        let segment = Arc::clone(state.segments.get(index)?);
        let next = state.segments.get(index + 1);
        let bytes = match next {
            Some(_) => segment.bytes(),
            None => segment.recent_from().min(segment.bytes()),
        };
        Some(Self {
            log: Arc::clone(log),
            end_offset: next.map_or(state.offsets.log_end(), |next| next.base_offset()),
            bytes,
            is_rolled: next.is_some(),
            segment,
        })
    }

    pub(super) fn base_offset(&self) -> i64 {
        self.segment.base_offset()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn is_same_segment(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.segment, &other.segment)
    }

    /// Looks at it all.
    ///
    /// # Errors
    /// The scrub is stopped.
    pub(super) fn run(&self, pace: &mut Pace<'_>) -> Result<Vec<Finding>, Stopped> {
        let mut findings = Vec::new();
        if self.bytes == 0 {
            return Ok(findings);
        }
        let Some(file) = self.open(FileKind::Log, &mut findings) else {
            return Ok(findings);
        };
        if let Err(error) = self.log.disk.expect_random_reads(&file) {
            tracing::debug!(%error, "the kernel reads ahead");
        }
        let mut index = self.is_rolled.then(|| self.open_index(&mut findings));
        let mut window = Window::new(&self.log.disk, file);
        let mut next_offset = self.segment.base_offset();
        let mut position = 0;
        let mut is_after_damage = false;
        while position < self.bytes && findings.len() < FINDINGS_MAX {
            match self.batch(&mut window, position, next_offset, pace) {
                Ok(header) => {
                    if let Some(Some(entries)) = &mut index {
                        entries.pass(self, position, &header, &mut findings);
                    }
                    next_offset = header.last_offset() + 1;
                    position += header.size_bytes() as u64;
                    is_after_damage = false;
                }
                Err(Problem::Stopped) => return Err(Stopped),
                Err(Problem::Batch { problem, skip }) => {
                    // Where the next batch begins is known only by an intact header, and that of a
                    // damaged batch may not be: then what lies there is no other damage.
                    if skip.is_none() && is_after_damage {
                        return Ok(findings);
                    }
                    findings.push(self.finding(FileKind::Log, position, next_offset, problem));
                    let Some(skip) = skip else {
                        return Ok(findings);
                    };
                    is_after_damage = true;
                    if let Some(Some(entries)) = &mut index {
                        entries.pass_over(position);
                    }
                    next_offset = skip.next_offset.unwrap_or(next_offset);
                    position += skip.bytes;
                }
            }
        }
        if let Some(Some(entries)) = &mut index {
            entries.end(self, &mut findings);
        }
        if self.is_rolled {
            self.check_time_index(&mut findings);
        }
        Ok(findings)
    }

    fn finding(&self, kind: FileKind, position: u64, offset: i64, problem: String) -> Finding {
        Finding {
            kind,
            position,
            offset,
            problem,
        }
    }

    fn open(&self, kind: FileKind, findings: &mut Vec<Finding>) -> Option<Arc<D::File>> {
        match self.log.open_blocking(&self.segment, kind) {
            Ok(file) => Some(file),
            Err(error) => {
                let problem = format!("it cannot be opened: {error}");
                findings.push(self.finding(kind, 0, self.segment.base_offset(), problem));
                None
            }
        }
    }

    fn open_index(&self, findings: &mut Vec<Finding>) -> Option<OffsetEntries> {
        let entries = self.entries::<OffsetEntry>(FileKind::OffsetIndex, findings)?;
        Some(OffsetEntries { entries, next: 0 })
    }

    /// All entries of an index; nothing when it cannot be read, which is a finding.
    fn entries<E: IndexEntry>(
        &self,
        kind: FileKind,
        findings: &mut Vec<Finding>,
    ) -> Option<Vec<E>> {
        let file = self.open(kind, findings)?;
        let disk = &self.log.disk;
        let read = || {
            // An index is limited by its positions: one entry a batch of the segment at most.
            let entries_max = self.bytes / HEADER_BYTES as u64 + 2;
            let bytes = disk.file_bytes(&file)?.min(entries_max * E::BYTES as u64);
            let mut content = vec![0; usize_from(bytes)];
            let read = disk.read_at(&file, &mut content, 0)?;
            content.truncate(read);
            Ok::<_, io::Error>(content)
        };
        match read() {
            Ok(content) => {
                let entries = content.chunks_exact(E::BYTES).filter_map(E::decode);
                Some(entries.collect())
            }
            Err(error) => {
                let problem = format!("it cannot be read: {error}");
                findings.push(self.finding(kind, 0, self.segment.base_offset(), problem));
                None
            }
        }
    }

    /// The header of the batch at `position`, if everything is right with the batch.
    fn batch(
        &self,
        window: &mut Window<'_, D>,
        position: u64,
        next_offset: i64,
        pace: &mut Pace<'_>,
    ) -> Result<BatchHeader, Problem> {
        let left = self.bytes - position;
        if left < HEADER_BYTES as u64 {
            let problem = format!("{left} bytes are too few for a batch header");
            return Err(Problem::of(problem));
        }
        let bytes = window.bytes_at(position, HEADER_BYTES as u64, self.bytes, pace)?;
        let header = BatchHeader::parse(bytes).map_err(|error| Problem::of(error.to_string()))?;
        let size = header.size_bytes() as u64;
        if left < size {
            let problem = format!("{left} of the batch's {size} bytes are there");
            return Err(Problem::of(problem));
        }
        let mut crc = 0;
        let mut at = position + CRC_FROM;
        let end = position + size;
        while at < end {
            let wanted = CHUNK_BYTES.min(end - at);
            crc = crc32c::crc32c_append(crc, window.bytes_at(at, wanted, self.bytes, pace)?);
            at += wanted;
        }
        if crc != header.crc {
            let problem = format!("crc is {crc:#010x}, the header says {:#010x}", header.crc);
            let skip = Some(Skip {
                bytes: size,
                next_offset: None,
            });
            return Err(Problem::Batch { problem, skip });
        }
        let (first, last) = (header.base_offset, header.last_offset());
        if first < next_offset || last < first || self.end_offset <= last {
            let problem = format!(
                "offsets {first} to {last} are not within {next_offset} and {}",
                self.end_offset
            );
            // One batch out of order is one finding, so the others follow it.
            let skip = Some(Skip {
                bytes: size,
                next_offset: (last < self.end_offset).then_some(last + 1),
            });
            return Err(Problem::Batch { problem, skip });
        }
        Ok(header)
    }

    fn check_time_index(&self, findings: &mut Vec<Finding>) {
        let kind = FileKind::TimeIndex;
        let Some(entries) = self.entries::<TimeEntry>(kind, findings) else {
            return;
        };
        let mut last: Option<TimeEntry> = None;
        for (number, entry) in entries.into_iter().enumerate() {
            let offset = self.segment.largest_of(entry).offset;
            let is_after = last.is_none_or(|last| {
                last.timestamp < entry.timestamp && last.relative_offset <= entry.relative_offset
            });
            if !is_after || self.end_offset <= offset {
                let position = (number * TimeEntry::BYTES) as u64;
                let problem = format!(
                    "the entry of timestamp {} and offset {offset} is out of order",
                    entry.timestamp
                );
                findings.push(self.finding(kind, position, offset, problem));
                return;
            }
            last = Some(entry);
        }
    }
}

/// Why a batch was not passed.
enum Problem {
    Stopped,
    Batch {
        problem: String,
        /// How to go on, when the header tells.
        skip: Option<Skip>,
    },
}

/// Where and with what the batch after a damaged one begins.
struct Skip {
    bytes: u64,
    /// The lowest offset it may have; `None` when the damaged one's offsets are not to be believed.
    next_offset: Option<i64>,
}

impl Problem {
    fn of(problem: String) -> Self {
        Self::Batch {
            problem,
            skip: None,
        }
    }
}

/// The entries of an offset index, while the batches pass by.
struct OffsetEntries {
    entries: Vec<OffsetEntry>,
    next: usize,
}

impl OffsetEntries {
    /// The entries up to the one of this batch have to point at it, and to increase. An entry may
    /// name a later batch's offset: Kafka before 4.0 made one for several batches.
    fn pass<D: Disk>(
        &mut self,
        check: &SegmentCheck<D>,
        position: u64,
        header: &BatchHeader,
        findings: &mut Vec<Finding>,
    ) {
        while let Some(entry) = self.entries.get(self.next) {
            if position < u64::from(entry.position) {
                return;
            }
            let offset = check.segment.base_offset() + i64::from(entry.relative_offset);
            let before = self.next.checked_sub(1).map(|index| self.entries[index]);
            let is_after = before.is_none_or(|before| {
                before.relative_offset < entry.relative_offset && before.position < entry.position
            });
            let points_at_batch = u64::from(entry.position) == position
                && header.base_offset <= offset
                && offset < check.end_offset;
            if !is_after || !points_at_batch {
                self.report(check, findings);
                return;
            }
            self.next += 1;
        }
    }

    /// A damaged batch, whose offsets may be wrong, has its entry.
    fn pass_over(&mut self, position: u64) {
        let entry = self.entries.get(self.next);
        if entry.is_some_and(|entry| u64::from(entry.position) == position) {
            self.next += 1;
        }
    }

    /// No batch is left for what is left.
    fn end<D: Disk>(&mut self, check: &SegmentCheck<D>, findings: &mut Vec<Finding>) {
        if self.next < self.entries.len() {
            self.report(check, findings);
        }
    }

    /// Reports the next entry, and looks at no other: what follows a bad one means nothing.
    fn report<D: Disk>(&mut self, check: &SegmentCheck<D>, findings: &mut Vec<Finding>) {
        let entry = self.entries[self.next];
        let offset = check.segment.base_offset() + i64::from(entry.relative_offset);
        let position = (self.next * OffsetEntry::BYTES) as u64;
        let problem = format!(
            "the entry of offset {offset} and position {} is not of a batch",
            entry.position
        );
        findings.push(check.finding(FileKind::OffsetIndex, position, offset, problem));
        self.entries.clear();
        self.next = 0;
    }
}

/// A piece of the file in memory.
struct Window<'a, D: Disk> {
    disk: &'a D,
    file: Arc<D::File>,
    position: u64,
    bytes: Vec<u8>,
    /// What was not cached before it was read.
    brought: Vec<Range<u64>>,
}

impl<'a, D: Disk> Window<'a, D> {
    fn new(disk: &'a D, file: Arc<D::File>) -> Self {
        Self {
            disk,
            file,
            position: 0,
            bytes: Vec::new(),
            brought: Vec::new(),
        }
    }

    /// `wanted` bytes, at most a chunk, of a file of `end` bytes.
    fn bytes_at(
        &mut self,
        position: u64,
        wanted: u64,
        end: u64,
        pace: &mut Pace<'_>,
    ) -> Result<&[u8], Problem> {
        let held_to = self.position + self.bytes.len() as u64;
        if position < self.position || held_to < position + wanted {
            let read = self.load(position, CHUNK_BYTES.min(end - position), pace)?;
            if read < wanted {
                let problem = format!("the file ends at byte {}", position + read);
                return Err(Problem::of(problem));
            }
        }
        let from = usize_from(position - self.position);
        Ok(&self.bytes[from..from + usize_from(wanted)])
    }

    fn load(&mut self, position: u64, bytes: u64, pace: &mut Pace<'_>) -> Result<u64, Problem> {
        pace.spend(bytes).map_err(|Stopped| Problem::Stopped)?;
        self.drop_brought();
        self.note_uncached(position..position + bytes);
        self.bytes.resize(usize_from(bytes), 0);
        self.position = position;
        let read = self.disk.read_at(&self.file, &mut self.bytes, position);
        let read = read.map_err(|error| Problem::of(format!("it cannot be read: {error}")))?;
        self.bytes.truncate(read);
        Ok(read as u64)
    }

    fn note_uncached(&mut self, range: Range<u64>) {
        let begin = range.start - range.start % GRAIN_BYTES;
        let end = range.end.next_multiple_of(GRAIN_BYTES);
        if self.disk.cached(&self.file, range) == Cached::All {
            return;
        }
        for start in (begin..end).step_by(usize_from(GRAIN_BYTES)) {
            let grain = start..start + GRAIN_BYTES;
            if self.disk.cached(&self.file, grain.clone()) == Cached::Nothing {
                self.brought.push(grain);
            }
        }
    }

    fn drop_brought(&mut self) {
        for range in self.brought.drain(..) {
            if let Err(error) = self.disk.drop_cache(&self.file, range) {
                tracing::debug!(%error, "pages stay cached");
            }
        }
    }
}

impl<D: Disk> Drop for Window<'_, D> {
    fn drop(&mut self) {
        self.drop_brought();
    }
}
