//! One round over one log: fills the offset map, then writes the segments up to its end anew, group
//! by group, and puts each group in place of its segments before it goes on with the next. So a
//! round needs the room of one segment, and one that is stopped leaves whole groups done or undone;
//! either way readers see every record that is still wanted. Blocks; on a thread of its own.

use std::path::PathBuf;
use std::sync::Arc;

use ringbrook_record::{BatchHeader, RecordBuffer};

use super::batch_filter::{BatchFilter, Filtered, Outcome};
use super::batch_reader::{BatchBuffer, BatchReader, SegmentSource};
use super::clean_error::{CleanError, CleanProblem, Stopped, is_no_space};
use super::cleanability::Cleanability;
use super::cleaned_transactions::CleanedTransactions;
use super::map_builder::MapBuilder;
use super::offset_map::OffsetMap;
use super::retain_rules::{LastBatch, LastBatches, RetainRules};
use super::segment_groups::{SegmentSize, group_segments};
use crate::config::LogConfig;
use crate::error::EngineError;
use crate::index::{IndexEntry, OffsetEntry, TimeEntry};
use crate::io::{Access, Disk, block_on_ready};
use crate::log::PartitionLog;
use crate::segment::{FileKind, RewrittenSegment, Segment, SegmentRewriter};

/// Bytes written between two calls of the pace.
const PACED_BYTES: u64 = 256 << 10;

/// How fast a round may go, and whether it may go on.
pub(crate) trait Pace {
    /// Called before bytes are read and after they are written, a few 100 KiB at a time. Returns
    /// when the round may go on.
    ///
    /// # Errors
    /// When it may not.
    fn spend(&self, bytes: u64) -> Result<(), Stopped>;

    /// Bytes to read at once: `log.cleaner.io.buffer.size`. A larger batch is read whole all the
    /// same. As small as the default they are in the processor's cache while they are looked at.
    fn read_bytes(&self) -> usize {
        512 << 10
    }
}

/// What a round did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CleanReport {
    /// The first offset that is not clean: the checkpoint.
    pub(crate) next_dirty_offset: i64,
    /// The files of the old segments, to be removed after `file.delete.delay.ms`.
    pub(crate) renamed: Vec<PathBuf>,
    /// Different keys in the part that was cleaned.
    pub(crate) keys: u64,
    /// Of the segments that were gone through, those that changed nothing included.
    pub(crate) segments_before: u64,
    pub(crate) segments_after: u64,
    pub(crate) bytes_before: u64,
    pub(crate) bytes_after: u64,
    pub(crate) records_before: u64,
    pub(crate) records_after: u64,
}

impl<D: Disk> PartitionLog<D> {
    /// Runs one round over what `todo` says. `map` is emptied before and after.
    ///
    /// # Errors
    /// See [`CleanProblem`]. Also when `todo` is not true any more, because the log was truncated
    /// meanwhile. A failed write or sync takes the log dir offline, unless the filesystem is full.
    pub(crate) fn clean(
        &self,
        todo: &Cleanability,
        map: &mut OffsetMap,
        pace: &dyn Pace,
        now_ms: i64,
    ) -> Result<CleanReport, CleanError> {
        map.clear();
        let mut round = Round {
            log: self,
            config: self.config(),
            pace,
            buffer: BatchBuffer::default(),
            written: 0,
            report: CleanReport::default(),
        };
        let result = round.run(todo, map, now_ms);
        map.clear();
        match result {
            Ok(()) => Ok(round.report),
            Err(problem) => Err(CleanError {
                problem,
                renamed: round.report.renamed,
            }),
        }
    }
}

struct Round<'a, D: Disk> {
    log: &'a PartitionLog<D>,
    config: LogConfig,
    pace: &'a dyn Pace,
    buffer: BatchBuffer,
    /// Bytes written that the pace does not know of.
    written: u64,
    report: CleanReport,
}

/// A segment of the log and the base offset of the next.
struct Extent<D: Disk> {
    segment: Arc<Segment<D>>,
    end_offset: i64,
}

impl<D: Disk> Round<'_, D> {
    fn run(
        &mut self,
        todo: &Cleanability,
        map: &mut OffsetMap,
        now_ms: i64,
    ) -> Result<(), CleanProblem> {
        let (mut extents, producers) = self.snapshot(todo)?;
        self.fill_map(&extents, todo, map)?;
        let end_offset = map.latest_offset() + 1;
        self.report.next_dirty_offset = end_offset;
        self.report.keys = map.keys_count() as u64;
        extents.retain(|extent| extent.segment.base_offset() < end_offset);
        let rules = RetainRules {
            map,
            now_ms,
            first_uncleanable_offset: todo.first_uncleanable_offset,
            producers,
        };
        let mut filter = BatchFilter::new(rules, self.config.delete_retention_ms);
        let sizes: Vec<SegmentSize> = extents.iter().map(Extent::size).collect();
        let mut rest = extents.as_slice();
        for count in group_segments(&sizes, &self.config) {
            let (group, others) = rest.split_at(count);
            self.clean_group(group, &mut filter)?;
            rest = others;
        }
        Ok(())
    }

    /// The segments below the first uncleanable offset, and the producers' last batches.
    fn snapshot(&self, todo: &Cleanability) -> Result<(Vec<Extent<D>>, LastBatches), CleanProblem> {
        let gone = || self.log.dir.load().to_path_buf();
        if self.log.is_deleted() || self.log.is_closed() {
            return Err(EngineError::LogGone { path: gone() }.into());
        }
        let state = self.log.lock();
        let segments = &state.segments;
        let limit = todo.first_uncleanable_offset;
        let stable = state.offsets.snapshot(state.producers.first_unstable());
        let count = segments.iter().position(|it| it.base_offset() == limit);
        let Some(count) = count.filter(|_| limit <= stable.last_stable) else {
            drop(state);
            return Err(EngineError::SegmentsChanged { path: gone() }.into());
        };
        let ends = segments.iter().skip(1).map(|next| next.base_offset());
        let extents = segments.iter().zip(ends).take(count);
        let extents = extents.map(|(segment, end_offset)| Extent {
            segment: Arc::clone(segment),
            end_offset,
        });
        let producers = state.producers.iter().map(|(producer_id, entry)| {
            let last = LastBatch {
                data_offset: entry.last_batch().map(|batch| batch.last_offset),
                epoch: entry.epoch,
            };
            (producer_id, last)
        });
        Ok((extents.collect(), producers.collect()))
    }

    fn fill_map(
        &mut self,
        extents: &[Extent<D>],
        todo: &Cleanability,
        map: &mut OffsetMap,
    ) -> Result<(), CleanProblem> {
        let first_dirty_offset = todo.first_dirty_offset;
        // Of the keys below there is one record each. So a round over a clean log is of use too: it
        // drops the tombstones and markers whose time has come.
        map.set_latest_offset(first_dirty_offset - 1);
        let dirty = extents
            .iter()
            .filter(|extent| first_dirty_offset < extent.end_offset);
        let mut builder = MapBuilder {
            map,
            first_dirty_offset,
            transactions: CleanedTransactions::default(),
            records: RecordBuffer::new(),
        };
        for extent in dirty {
            let start = first_dirty_offset.max(extent.segment.base_offset());
            let aborted = self.log.aborted_transactions(start, extent.end_offset);
            builder.transactions.add_aborted(aborted);
            let source = self.open(extent)?;
            let position = block_on_ready(extent.segment.floor_position(
                Access::Blocking,
                &self.log.disk,
                &self.log.dir.load(),
                start,
            ))
            .map_err(|error| EngineError::io("read the index of", &source.path, error))?;
            if !builder.add_segment(&source, self.pace, &mut self.buffer, position)? {
                if builder.map.latest_offset() < first_dirty_offset {
                    return Err(CleanProblem::OffsetMapTooSmall {
                        offset: first_dirty_offset,
                        keys_max: builder.map.keys_max(),
                    });
                }
                return Ok(());
            }
        }
        Ok(())
    }

    fn open(&self, extent: &Extent<D>) -> Result<SegmentSource<D>, CleanProblem> {
        let segment = &extent.segment;
        let path = self.log.path_of(segment.base_offset(), FileKind::Log);
        let file = match segment.opened(FileKind::Log) {
            Some(file) => file,
            None => self.log.disk.open(&path).map_err(|error| {
                if error.kind() == std::io::ErrorKind::NotFound {
                    // Retention removed it, or the log was deleted.
                    return EngineError::SegmentsChanged { path: path.clone() };
                }
                EngineError::io("open", &path, error)
            })?,
        };
        Ok(SegmentSource {
            disk: self.log.disk.clone(),
            file,
            path,
            base_offset: segment.base_offset(),
            end_offset: extent.end_offset,
            bytes: segment.bytes(),
        })
    }

    fn clean_group(
        &mut self,
        group: &[Extent<D>],
        filter: &mut BatchFilter<'_>,
    ) -> Result<(), CleanProblem> {
        let mut modified_ms = 0;
        let mut before = 0;
        let mut output = Output::new(self.log, self.config, group[0].segment.base_offset())?;
        for extent in group {
            let source = self.open(extent)?;
            let stat = self.log.disk.stat(&source.path);
            modified_ms = stat
                .map_err(|error| EngineError::io("stat", &source.path, error))?
                .modified_ms;
            before += source.bytes;
            let aborted = self
                .log
                .aborted_transactions(source.base_offset, source.end_offset);
            filter.transactions.add_aborted(aborted);
            self.clean_segment(&source, filter, &mut output)?;
        }
        self.report.segments_before += group.len() as u64;
        self.report.bytes_before += before;
        self.report.bytes_after += output.bytes;
        if group.len() == 1 && !output.is_changed {
            self.report.segments_after += 1;
            output.abandon();
            return Ok(());
        }
        let new = output.finish(modified_ms)?;
        self.report.segments_after += new.len() as u64;
        let old: Vec<Arc<Segment<D>>> = group
            .iter()
            .map(|extent| Arc::clone(&extent.segment))
            .collect();
        let renamed = self.log.replace_segments(&old, new)?;
        self.report.renamed.extend(renamed);
        Ok(())
    }

    fn clean_segment(
        &mut self,
        source: &SegmentSource<D>,
        filter: &mut BatchFilter<'_>,
        output: &mut Output<'_, D>,
    ) -> Result<(), CleanProblem> {
        let mut batches = BatchReader::new(source, self.pace, &mut self.buffer, 0);
        while let Some((batch, position)) = batches.next()? {
            let Filtered { outcome, aborted } = filter
                .pass(&batch)
                .map_err(|error| CleanProblem::damaged(&source.path, position, &error))?;
            self.report.records_before += count_of(&batch.header);
            output.is_changed |= outcome != Outcome::Kept;
            let (header, bytes) = match outcome {
                Outcome::Dropped => continue,
                Outcome::Kept => (batch.header, batch.bytes),
                Outcome::Changed { header, bytes } => (header, bytes),
            };
            self.report.records_after += count_of(&header);
            output.add(&header, bytes)?;
            if let Some(aborted) = aborted {
                output.rewriter.add_aborted(aborted);
            }
            self.written += bytes.len() as u64;
            if PACED_BYTES <= self.written {
                self.pace.spend(self.written)?;
                self.written = 0;
            }
        }
        Ok(())
    }
}

impl<D: Disk> Extent<D> {
    fn size(&self) -> SegmentSize {
        let indexes = self.segment.indexes();
        SegmentSize {
            base_offset: self.segment.base_offset(),
            end_offset: self.end_offset,
            log_bytes: self.segment.bytes(),
            offset_index_bytes: (indexes.offset.count() * OffsetEntry::BYTES) as u64,
            time_index_bytes: (indexes.time.count() * TimeEntry::BYTES) as u64,
        }
    }
}

fn count_of(header: &BatchHeader) -> u64 {
    u64::try_from(header.records_count).unwrap_or(0)
}

/// What the segments of a group become: one segment, more only where their batches grew too large
/// for one or lie too far apart.
struct Output<'a, D: Disk> {
    log: &'a PartitionLog<D>,
    config: LogConfig,
    rewriter: SegmentRewriter<D>,
    base_offset: i64,
    /// Segments that are full; they get their age with the last one.
    full: Vec<SegmentRewriter<D>>,
    bytes: u64,
    /// It differs from what was read.
    is_changed: bool,
}

impl<'a, D: Disk> Output<'a, D> {
    fn new(
        log: &'a PartitionLog<D>,
        config: LogConfig,
        base_offset: i64,
    ) -> Result<Self, CleanProblem> {
        Ok(Self {
            log,
            config,
            rewriter: create_rewriter(log, &config, base_offset)?,
            base_offset,
            full: Vec::new(),
            bytes: 0,
            is_changed: false,
        })
    }

    fn add(&mut self, header: &BatchHeader, bytes: &[u8]) -> Result<(), CleanProblem> {
        let held = self.rewriter.bytes();
        let bytes_max = u64::from(self.config.segment_bytes_max());
        let is_too_large = 0 < held && bytes_max < held + bytes.len() as u64;
        let is_too_far = i32::try_from(header.last_offset() - self.base_offset).is_err();
        if is_too_large || is_too_far {
            let next = create_rewriter(self.log, &self.config, header.base_offset)?;
            self.full.push(std::mem::replace(&mut self.rewriter, next));
            self.base_offset = header.base_offset;
            self.is_changed = true;
        }
        self.bytes += bytes.len() as u64;
        let added = self.rewriter.append(header, bytes);
        added.map_err(|error| failed(self.log, error))
    }

    fn finish(self, modified_ms: i64) -> Result<Vec<RewrittenSegment<D>>, CleanProblem> {
        let rewriters = self.full.into_iter().chain([self.rewriter]);
        rewriters
            .map(|rewriter| rewriter.finish(modified_ms))
            .collect::<Result<_, _>>()
            .map_err(|error| failed(self.log, error))
    }

    fn abandon(self) {
        for rewriter in self.full.into_iter().chain([self.rewriter]) {
            rewriter.abandon();
        }
    }
}

fn create_rewriter<D: Disk>(
    log: &PartitionLog<D>,
    config: &LogConfig,
    base_offset: i64,
) -> Result<SegmentRewriter<D>, CleanProblem> {
    let dir = log.dir.load();
    SegmentRewriter::create(&log.disk, &dir, base_offset, config)
        .map_err(|error| failed(log, error))
}

/// A failed write or sync takes the log dir offline (L6). A full filesystem does not: nothing of
/// the log is lost with the new files, and removing others makes room.
fn failed<D: Disk>(log: &PartitionLog<D>, error: EngineError) -> CleanProblem {
    if !is_no_space(&error) {
        log.fail("clean", &error);
    }
    error.into()
}
