//! Opens a partition directory: lists its files, loads or recovers its segments, and puts offsets,
//! leader epochs and producers together. After a clean shutdown this reads a few small pieces of
//! files; after an unclean one it walks every batch from the recovery point on. Blocks; the log
//! manager runs many in parallel. (Kafka `LogLoader`.)

use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::batch_queue::BatchQueue;
use super::files::create_segment_files;
use super::leader_epoch::{LEADER_EPOCH_CHECKPOINT, LeaderEpochs};
use super::leftovers::tidy_directory;
use super::load_segment::{Loaded, SegmentLoader};
use super::offsets::Offsets;
use super::partition_log::{LogIdentity, PartitionLog, State};
use super::rebuild::{load_producers, walk_epochs};
use super::recent_batches::RecentBatches;
use super::recovery_mark::{LogPlace, RecoveryMarks};
use super::split_segment::Pieces;
use super::write_sharing::WriteSharing;
use crate::checkpoint::{FILE_BYTES_MAX, PartitionMetadata};
use crate::config::LogConfig;
use crate::error::EngineError;
use crate::io::{DirHealth, Disk};
use crate::segment::{FileKind, Segment, SegmentTail, segment_file_name};

/// What the checkpoints and the marker say about a log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenHints {
    pub(crate) is_clean: bool,
    pub(crate) recovery_point: i64,
    pub(crate) log_start: i64,
    pub(crate) high_watermark: i64,
    pub(crate) now_ms: i64,
    pub(crate) producer_id_expiration_ms: i64,
}

/// What opening a log took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OpenReport {
    pub(crate) recovered_segments: usize,
    pub(crate) truncated_bytes: u64,
    /// Bytes whose batches were walked with their CRCs.
    pub(crate) walked_bytes: u64,
}

/// Everything needed to open one log.
pub(crate) struct LogOpener<'a, D: Disk> {
    pub(crate) disk: &'a D,
    pub(crate) identity: LogIdentity,
    pub(crate) health: &'a Arc<DirHealth>,
    pub(crate) config: LogConfig,
    pub(crate) hints: OpenHints,
}

/// A segment that was walked, from an offset on.
pub(crate) struct Recovered<D: Disk> {
    pub(crate) segment: Arc<Segment<D>>,
    pub(crate) from: i64,
    /// Bytes of the segment below `from`.
    pub(crate) from_bytes: u64,
}

/// The loaded segments with what follows from the last one.
pub(crate) struct LoadedSegments<D: Disk> {
    pub(crate) segments: Vec<Arc<Segment<D>>>,
    pub(crate) tail: SegmentTail,
    pub(crate) next_offset: i64,
    /// The segments that were recovered, oldest first.
    pub(crate) recovered: Vec<Recovered<D>>,
    /// Leader epochs found in them.
    pub(crate) epochs: Vec<(i32, i64)>,
    pub(crate) report: OpenReport,
}

impl<D: Disk> LogOpener<'_, D> {
    /// Opens the log.
    ///
    /// # Errors
    /// When a file cannot be read or written, or holds what must not be touched.
    pub(crate) fn open(self) -> Result<(Arc<PartitionLog<D>>, OpenReport), EngineError> {
        self.open_telling(&|_| ())
    }

    /// [`Self::open`], telling of every piece of a segment that is walked how many bytes it has.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn open_telling(
        mut self,
        on_walked: &dyn Fn(u64),
    ) -> Result<(Arc<PartitionLog<D>>, OpenReport), EngineError> {
        let dir = self.identity.dir.clone();
        let names = tidy_directory(self.disk, &dir)?;
        if let Some(metadata) = PartitionMetadata::read(self.disk, &dir)? {
            self.identity.topic_id = Some(metadata.topic_id);
        }
        let files: Vec<(FileKind, i64)> = names
            .iter()
            .filter_map(|name| FileKind::parse(name))
            .collect();
        let mut loaded = self.load_segments(&dir, &files, on_walked)?;
        let log_start = self.settle_start(&dir, &mut loaded)?;
        self.sync_recovered(&dir, &loaded)?;
        let epochs = self.load_epochs(&dir, &loaded, log_start)?;
        let producers = load_producers(self.disk, &dir, &files, &loaded, &self.hints)?;
        let offsets = self.offsets(&loaded, log_start);
        let marks = marks(&loaded, offsets.recovery_point(), producers.mark_snapshot);
        let report = loaded.report;
        let newest = loaded.segments.last().map(|segment| segment.base_offset());
        let unsynced = loaded
            .recovered
            .into_iter()
            .map(|recovered| recovered.segment)
            .filter(|segment| Some(segment.base_offset()) != newest)
            .collect();
        let state = State {
            offsets,
            segments: loaded.segments,
            recent: RecentBatches::default(),
            next_offset: loaded.next_offset,
            tail: loaded.tail,
            queue: BatchQueue::default(),
            spare: BatchQueue::default(),
            write_sharing: WriteSharing::default(),
            is_writer_busy: false,
            is_roll_due: false,
            producers: producers.state,
            has_snapshots: producers.has_snapshots,
            epochs,
            unsynced,
            marks,
            has_appended: false,
            flushed_at_ms: self.hints.now_ms,
        };
        let log = PartitionLog::new(
            self.disk.clone(),
            self.identity,
            self.health,
            self.config,
            state,
        );
        log.advance_high_watermark(self.hints.high_watermark);
        Ok((log, report))
    }

    fn load_segments(
        &self,
        dir: &Path,
        files: &[(FileKind, i64)],
        on_walked: &dyn Fn(u64),
    ) -> Result<LoadedSegments<D>, EngineError> {
        let mut bases: Vec<i64> = files
            .iter()
            .filter(|(kind, _)| *kind == FileKind::Log)
            .map(|(_, base_offset)| *base_offset)
            .collect();
        for (kind, base_offset) in files {
            let is_index = *kind != FileKind::Log && *kind != FileKind::Snapshot;
            if is_index && !bases.contains(base_offset) {
                self.remove(&dir.join(segment_file_name(*base_offset, *kind)))?;
            }
        }
        let mut loaded = LoadedSegments {
            segments: Vec::with_capacity(bases.len().max(1)),
            tail: SegmentTail::new(0, self.hints.now_ms),
            next_offset: 0,
            recovered: Vec::new(),
            epochs: Vec::new(),
            report: OpenReport::default(),
        };
        let loader = SegmentLoader {
            disk: self.disk,
            dir,
            config: &self.config,
            now_ms: self.hints.now_ms,
            recovery_point: self.hints.recovery_point,
            on_walked,
        };
        let (mut index, mut pieces) = (0, Pieces::default());
        while let Some(&base_offset) = bases.get(index) {
            let next = bases.get(index + 1).copied();
            // One that ends at the recovery point may have reached it while it was active: then its
            // last time index entry was written later.
            let is_above = next.is_none_or(|next| self.hints.recovery_point <= next);
            let must_recover = !self.hints.is_clean && is_above;
            let has = |kind| match pieces.knows(base_offset) {
                true => pieces.has(base_offset, kind),
                false => files.contains(&(kind, base_offset)),
            };
            let is_damaged = match loader.load(base_offset, next, must_recover, has)? {
                Ok(found) => {
                    index += 1;
                    self.take_segment(dir, &mut loaded, found)
                }
                Err(plan) => {
                    loaded.report.truncated_bytes += plan.truncated_bytes();
                    if plan.is_damaged() {
                        self.remove_segments(dir, bases.drain(index + 1..), &mut loaded.report)?;
                    }
                    bases.splice(index..=index, loader.split(&plan, &mut pieces)?);
                    continue;
                }
            };
            if is_damaged {
                self.remove_segments(dir, bases.drain(index..), &mut loaded.report)?;
            }
        }
        Ok(loaded)
    }

    /// Adds a loaded segment; returns whether it had to be cut.
    fn take_segment(&self, dir: &Path, loaded: &mut LoadedSegments<D>, found: Loaded<D>) -> bool {
        let segment = Arc::new(found.segment);
        loaded.segments.push(Arc::clone(&segment));
        if let Some(recovered) = found.recovered {
            loaded.report.recovered_segments += 1;
            loaded.report.truncated_bytes += recovered.truncated_bytes;
            loaded.epochs.extend(recovered.epochs);
            loaded.report.walked_bytes += recovered.walked_bytes;
            loaded.recovered.push(Recovered {
                from: recovered.from,
                from_bytes: found.tail.bytes + recovered.truncated_bytes - recovered.walked_bytes,
                segment,
            });
            if let Some(damage) = recovered.damage {
                tracing::warn!(
                    dir = %dir.display(), segment = found.tail.base_offset,
                    position = found.tail.bytes, truncated_bytes = recovered.truncated_bytes,
                    damage, "the segment is cut before its first damaged batch"
                );
                loaded.tail = found.tail;
                loaded.next_offset = found.next_offset;
                return true;
            }
        }
        loaded.tail = found.tail;
        loaded.next_offset = found.next_offset;
        false
    }

    /// The log start offset; makes sure that there is a segment and that the log reaches up to it.
    fn settle_start(&self, dir: &Path, loaded: &mut LoadedSegments<D>) -> Result<i64, EngineError> {
        let checkpointed = self.hints.log_start;
        if let Some(first) = loaded.segments.first()
            && checkpointed <= loaded.next_offset
        {
            return Ok(checkpointed.max(first.base_offset()));
        }
        for segment in loaded.segments.drain(..) {
            loaded.report.truncated_bytes += self.remove_segment(dir, segment.base_offset())?;
        }
        loaded.recovered.clear();
        loaded.epochs.clear();
        let segment = Segment::empty(checkpointed);
        // The file is closed again: a log that is never written to costs no descriptor.
        create_segment_files(self.disk, dir, checkpointed)?;
        self.disk
            .sync_dir(dir)
            .map_err(|source| EngineError::io("sync", dir, source))?;
        loaded.segments.push(Arc::new(segment));
        loaded.tail = SegmentTail::new(checkpointed, self.hints.now_ms);
        loaded.next_offset = checkpointed;
        Ok(checkpointed)
    }

    /// With `flush.before.ack` nothing is visible before it is durable, and after a crash of the
    /// process alone the recovered bytes may be in the page cache only.
    fn sync_recovered(&self, dir: &Path, loaded: &LoadedSegments<D>) -> Result<(), EngineError> {
        if self.hints.is_clean && loaded.recovered.is_empty() {
            return Ok(());
        }
        // Also for an empty log: the process may have been killed before its names were durable.
        self.disk
            .sync_dir(dir)
            .map_err(|source| EngineError::io("sync", dir, source))?;
        for recovered in &loaded.recovered {
            let segment = &recovered.segment;
            if self.config.flush_before_ack {
                self.sync_file(dir, segment, FileKind::Log)?;
            }
            // The next unclean open trusts what is below the checkpointed recovery point.
            if segment.base_offset() < self.hints.recovery_point {
                self.sync_file(dir, segment, FileKind::OffsetIndex)?;
                self.sync_file(dir, segment, FileKind::TimeIndex)?;
            }
        }
        Ok(())
    }

    fn sync_file(
        &self,
        dir: &Path,
        segment: &Segment<D>,
        kind: FileKind,
    ) -> Result<(), EngineError> {
        let path = dir.join(segment_file_name(segment.base_offset(), kind));
        let sync = || {
            let file = self.disk.open(&path)?;
            self.disk.sync(&file)
        };
        sync().map_err(|source| EngineError::io("sync", &path, source))
    }

    fn offsets(&self, loaded: &LoadedSegments<D>, log_start: i64) -> Offsets {
        let log_end = loaded.next_offset;
        let recovery_point = if self.hints.is_clean && loaded.recovered.is_empty() {
            log_end
        } else {
            let first_recovered = loaded
                .recovered
                .first()
                .map_or(log_end, |recovered| recovered.from);
            self.hints.recovery_point.min(first_recovered).min(log_end)
        };
        let is_durable = loaded.recovered.is_empty() || self.config.flush_before_ack;
        let flushed = if is_durable { log_end } else { recovery_point };
        Offsets::new(log_start, log_end, flushed, recovery_point)
    }

    fn load_epochs(
        &self,
        dir: &Path,
        loaded: &LoadedSegments<D>,
        log_start: i64,
    ) -> Result<LeaderEpochs, EngineError> {
        let path = dir.join(LEADER_EPOCH_CHECKPOINT);
        let content = self
            .disk
            .read_file(&path, FILE_BYTES_MAX)
            .map_err(|source| EngineError::io("read", &path, source))?
            .unwrap_or_default();
        let (mut epochs, mut has_changed) = match LeaderEpochs::parse(&content) {
            Ok(epochs) => (epochs, false),
            Err(problem) => {
                tracing::warn!(file = %path.display(), problem, "leader epochs are rebuilt");
                (walk_epochs(self.disk, dir, &loaded.segments)?, true)
            }
        };
        for &(epoch, start_offset) in &loaded.epochs {
            has_changed |= epochs.assign(epoch, start_offset);
        }
        // The latest epoch may have begun exactly at the end of the log, without a batch yet.
        has_changed |= epochs.truncate_from_end(loaded.next_offset + 1);
        has_changed |= epochs.truncate_from_start(log_start);
        if has_changed {
            self.disk
                .replace_file(&path, epochs.render().as_bytes())
                .map_err(|source| EngineError::io("replace", &path, source))?;
        }
        Ok(epochs)
    }

    fn remove(&self, path: &Path) -> Result<(), EngineError> {
        self.disk
            .remove_file_if_present(path)
            .map_err(|source| EngineError::io("remove", path, source))
    }

    /// Removes what lies behind a segment that was cut.
    fn remove_segments(
        &self,
        dir: &Path,
        bases: impl Iterator<Item = i64>,
        report: &mut OpenReport,
    ) -> Result<(), EngineError> {
        for base_offset in bases {
            report.truncated_bytes += self.remove_segment(dir, base_offset)?;
        }
        Ok(())
    }

    /// Removes a segment's files and returns the bytes its log had.
    fn remove_segment(&self, dir: &Path, base_offset: i64) -> Result<u64, EngineError> {
        let log = dir.join(segment_file_name(base_offset, FileKind::Log));
        let bytes = self.disk.stat(&log).map_or(0, |stat| stat.bytes);
        for kind in FileKind::ALL {
            self.remove(&dir.join(segment_file_name(base_offset, kind)))?;
        }
        Ok(bytes)
    }
}

/// Where the recovery point lies, and what is above it in the active segment.
fn marks<D: Disk>(
    loaded: &LoadedSegments<D>,
    recovery_point: i64,
    snapshot: Option<i64>,
) -> RecoveryMarks {
    let first = match loaded.recovered.first() {
        Some(recovered) if recovered.from <= recovery_point => LogPlace {
            base_offset: recovered.segment.base_offset(),
            position: recovered.from_bytes,
        },
        // Nothing was walked, so the recovery point is the log's end; or it is in a segment before
        // the first that was walked, and counts as that one's base.
        _ => LogPlace {
            base_offset: loaded.tail.base_offset,
            position: loaded.tail.bytes,
        },
    };
    let is_active = first.base_offset == loaded.tail.base_offset;
    let position = if is_active { first.position } else { 0 };
    RecoveryMarks::new(first, position, snapshot)
}

/// Creates a partition's directory with its first segment, durably, and opens it.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn create_log<D: Disk>(
    disk: &D,
    identity: LogIdentity,
    health: &Arc<DirHealth>,
    config: LogConfig,
    topic_id: Uuid,
    now_ms: i64,
) -> Result<Arc<PartitionLog<D>>, EngineError> {
    let dir = identity.dir.clone();
    disk.create_dir_all(&dir)
        .map_err(|source| EngineError::io("create", &dir, source))?;
    PartitionMetadata { topic_id }.write(disk, &dir)?;
    let parent = health.path();
    disk.sync_dir(parent)
        .map_err(|source| EngineError::io("sync", parent, source))?;
    let hints = OpenHints {
        is_clean: true,
        recovery_point: 0,
        log_start: 0,
        high_watermark: 0,
        now_ms,
        producer_id_expiration_ms: i64::MAX,
    };
    let opener = LogOpener {
        disk,
        identity,
        health,
        config,
        hints,
    };
    opener.open().map(|(log, _)| log)
}
