//! Writes a segment anew beside the ones it is to replace: the batches compaction keeps, or a part
//! of a segment that is split. The files have Kafka's `.cleaned` names until `log::replace` gives
//! them their own; a crash before that leaves files the next open removes. Not the choice of what
//! is kept. Blocks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringbrook_record::BatchHeader;

use super::file_name::{CLEANED_SUFFIX, FileKind, segment_file_name, with_suffix};
use super::segment_files::{Largest, Segment, SegmentIndexes};
use super::segment_tail::{BatchFacts, SegmentTail};
use crate::config::LogConfig;
use crate::error::EngineError;
use crate::index::{AbortedTransaction, SparseIndex, TxnIndex};
use crate::io::Disk;
#[cfg(test)]
use crate::proof::sabotage::{Sabotage, is_on};

/// Bytes of batches held back for one write.
const WRITE_BYTES: usize = 128 << 10;
/// Bytes after which written ones are handed to the disk: left to the kernel they would all go out
/// with the final sync, and the writes of producers would wait behind them.
const WRITEBACK_BYTES: u64 = 4 << 20;
const WRITTEN_KINDS: [FileKind; 3] = [FileKind::OffsetIndex, FileKind::TimeIndex, FileKind::Log];

/// Writes one segment. Dropped unfinished, it removes its files.
pub(crate) struct SegmentRewriter<D: Disk> {
    files: CleanedFiles<D>,
    log: Arc<D::File>,
    offset_file: Arc<D::File>,
    time_file: Arc<D::File>,
    config: LogConfig,
    tail: SegmentTail,
    indexes: SegmentIndexes,
    /// Batches that are not written yet: the end of the log's `tail.bytes`.
    unwritten: Vec<u8>,
}

/// A segment whose files are complete and durable under their `.cleaned` names.
#[derive(Debug)]
pub(crate) struct RewrittenSegment<D: Disk> {
    files: CleanedFiles<D>,
    segment: Arc<Segment<D>>,
}

/// The files written so far; removed on drop unless they were handed over.
#[derive(Debug)]
struct CleanedFiles<D: Disk> {
    disk: D,
    dir: PathBuf,
    base_offset: i64,
    kinds: Vec<FileKind>,
}

impl<D: Disk> CleanedFiles<D> {
    fn path(&self, kind: FileKind) -> PathBuf {
        let name = segment_file_name(self.base_offset, kind);
        with_suffix(&self.dir.join(name), CLEANED_SUFFIX)
    }

    fn create(&mut self, kind: FileKind) -> Result<Arc<D::File>, EngineError> {
        let path = self.path(kind);
        self.kinds.push(kind);
        self.disk
            .create(&path)
            .map_err(|source| EngineError::io("create", &path, source))
    }

    fn write(
        &self,
        kind: FileKind,
        file: &D::File,
        bytes: &[u8],
        position: u64,
    ) -> Result<(), EngineError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.disk
            .write_all_at(file, bytes, position)
            .map_err(|source| EngineError::io("write", &self.path(kind), source))
    }

    fn sync(&self, kind: FileKind, file: &D::File) -> Result<(), EngineError> {
        #[cfg(test)]
        if is_on(Sabotage::RewrittenNotSynced) {
            return Ok(());
        }
        self.disk
            .sync(file)
            .map_err(|source| EngineError::io("sync", &self.path(kind), source))
    }
}

impl<D: Disk> Drop for CleanedFiles<D> {
    fn drop(&mut self) {
        for kind in self.kinds.drain(..) {
            let name = segment_file_name(self.base_offset, kind);
            let path = with_suffix(&self.dir.join(name), CLEANED_SUFFIX);
            if let Err(error) = self.disk.remove_file_if_present(&path) {
                // The next open, or the next replacement in this directory, removes it.
                tracing::warn!(file = %path.display(), %error, "an unfinished file is left");
            }
        }
    }
}

impl<D: Disk> SegmentRewriter<D> {
    /// Creates the files of the segment that will begin at `base_offset`.
    ///
    /// # Errors
    /// When a file cannot be created.
    pub(crate) fn create(
        disk: &D,
        dir: &Path,
        base_offset: i64,
        config: &LogConfig,
    ) -> Result<Self, EngineError> {
        let mut files = CleanedFiles {
            disk: disk.clone(),
            dir: dir.to_owned(),
            base_offset,
            kinds: Vec::with_capacity(WRITTEN_KINDS.len()),
        };
        let log = files.create(FileKind::Log)?;
        let offset_file = files.create(FileKind::OffsetIndex)?;
        let time_file = files.create(FileKind::TimeIndex)?;
        let indexes = SegmentIndexes {
            offset: SparseIndex::empty(),
            time: SparseIndex::empty(),
            txn: TxnIndex::default(),
            largest: None,
        };
        Ok(Self {
            files,
            log,
            offset_file,
            time_file,
            config: *config,
            tail: SegmentTail::new(base_offset, 0),
            indexes,
            unwritten: Vec::new(),
        })
    }

    /// Bytes of the batches so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.tail.bytes
    }

    /// Adds one whole encoded batch as it is. Index entries are made by the rule of an append, so
    /// recovery would make the same.
    ///
    /// # Errors
    /// When the file cannot be written.
    ///
    /// # Panics
    /// When `batch` is not as long as its header says, or lies too far from the base offset: the
    /// caller begins another segment before.
    pub(crate) fn append(&mut self, header: &BatchHeader, batch: &[u8]) -> Result<(), EngineError> {
        let (first, last) = (header.base_offset, header.last_offset());
        let reach = last.checked_sub(self.files.base_offset);
        assert_eq!(batch.len(), header.size_bytes(), "a batch is added whole");
        assert!(
            self.files.base_offset <= first && reach.is_some_and(|it| i32::try_from(it).is_ok()),
            "batch {first} to {last} does not belong into segment {}",
            self.files.base_offset
        );
        let facts = BatchFacts {
            base_offset: first,
            last_offset: last,
            max_timestamp: header.max_timestamp,
            bytes: batch.len() as u64,
        };
        let entries = self.tail.add(&facts, &self.config);
        if let Some(entry) = entries.offset {
            self.indexes.offset.push(entry);
        }
        if let Some(entry) = entries.time {
            self.indexes.time.push(entry);
        }
        self.unwritten.extend_from_slice(batch);
        if WRITE_BYTES <= self.unwritten.len() {
            self.write_out()?;
        }
        Ok(())
    }

    /// Adds an aborted transaction, by rising marker offset.
    pub(crate) fn add_aborted(&mut self, aborted: AbortedTransaction) {
        self.indexes.txn.push(aborted);
    }

    fn write_out(&mut self) -> Result<(), EngineError> {
        let position = self.tail.bytes - self.unwritten.len() as u64;
        self.files
            .write(FileKind::Log, &self.log, &self.unwritten, position)?;
        self.unwritten.clear();
        self.write_back(position);
        if self.indexes.offset.is_write_due() || self.indexes.time.is_write_due() {
            self.write_indexes()?;
        }
        Ok(())
    }

    /// Starts writeback when the write that began at `from` passed a border.
    fn write_back(&self, from: u64) {
        let border = self.tail.bytes / WRITEBACK_BYTES * WRITEBACK_BYTES;
        if border <= from {
            return;
        }
        let range = border.saturating_sub(WRITEBACK_BYTES)..border;
        // A failing disk shows in the final sync, which is checked.
        if let Err(error) = self.files.disk.start_writeback(&self.log, range) {
            tracing::debug!(%error, "writeback was not started");
        }
    }

    fn write_indexes(&mut self) -> Result<(), EngineError> {
        let (offset, time) = (
            self.indexes.offset.encode_unwritten(),
            self.indexes.time.encode_unwritten(),
        );
        let (kind, file) = (FileKind::OffsetIndex, &self.offset_file);
        self.files
            .write(kind, file, &offset.bytes, offset.position)?;
        let (kind, file) = (FileKind::TimeIndex, &self.time_file);
        self.files.write(kind, file, &time.bytes, time.position)?;
        self.indexes.offset.mark_written(offset.count);
        self.indexes.time.mark_written(time.count);
        Ok(())
    }

    /// Writes out everything, makes every file durable and gives the log the age `modified_ms`. The
    /// names are made durable by the replacement.
    ///
    /// # Errors
    /// When a file cannot be written or synced; the files are removed then.
    pub(crate) fn finish(mut self, modified_ms: i64) -> Result<RewrittenSegment<D>, EngineError> {
        self.write_out()?;
        if let Some(entry) = self.tail.final_time_entry() {
            self.indexes.time.push(entry);
        }
        self.write_indexes()?;
        let aborted = self.indexes.txn.encode();
        if !aborted.is_empty() {
            let file = self.files.create(FileKind::TxnIndex)?;
            self.files.write(FileKind::TxnIndex, &file, &aborted, 0)?;
            self.files.sync(FileKind::TxnIndex, &file)?;
        }
        let dated = self.files.disk.set_modified(&self.log, modified_ms);
        dated.map_err(|source| EngineError::io("date", &self.path_of_log(), source))?;
        for (kind, file) in [
            (FileKind::OffsetIndex, &self.offset_file),
            (FileKind::TimeIndex, &self.time_file),
            (FileKind::Log, &self.log),
        ] {
            self.files.sync(kind, file)?;
        }
        let Self {
            files,
            tail,
            mut indexes,
            ..
        } = self;
        indexes.offset.close();
        indexes.time.close();
        indexes.largest = Some(Largest {
            timestamp: tail.max_timestamp,
            offset: tail.max_timestamp_offset,
        });
        let segment = Arc::new(Segment::new(files.base_offset, tail.bytes, indexes));
        Ok(RewrittenSegment { files, segment })
    }

    fn path_of_log(&self) -> PathBuf {
        self.files.path(FileKind::Log)
    }

    /// Removes the files: what they were written for was stopped.
    pub(crate) fn abandon(self) {
        drop(self);
    }
}

impl<D: Disk> RewrittenSegment<D> {
    /// Its base offset, that of its files' names.
    pub(crate) fn base_offset(&self) -> i64 {
        self.files.base_offset
    }

    /// What is to stand in the list of segments once the files have their names.
    pub(crate) fn segment(&self) -> &Arc<Segment<D>> {
        &self.segment
    }

    /// The kinds of files it has, the log last.
    pub(crate) fn kinds(&self) -> Vec<FileKind> {
        let mut kinds = self.files.kinds.clone();
        kinds.sort_unstable_by_key(|kind| *kind == FileKind::Log);
        kinds
    }

    /// From now on the files belong to the replacement, which renames them.
    pub(crate) fn hand_over(&mut self) {
        self.files.kinds.clear();
    }
}
