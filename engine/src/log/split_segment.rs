//! Splits a segment, while its log is opened, whose offsets lie further from its base offset than
//! index entries can tell: compaction of Kafka before 1.1 wrote such. Batches stay as they are, in
//! several segments. A crash leaves the old segment or the new ones. Whether bytes are damaged is
//! not decided here. Blocks. (Kafka `LocalLog.splitOverflowedSegment`, KAFKA-6264.)

use std::sync::Arc;

use super::load_segment::SegmentLoader;
use super::replace::swap_files;
use crate::error::EngineError;
use crate::index::{OffsetEntry, TxnIndex};
use crate::io::{Access, Disk, block_on_ready};
use crate::segment::{
    FileKind, HeaderReader, RewrittenSegment, Segment, SegmentBorders, SegmentFile,
    SegmentRewriter, find_borders, is_within_reach,
};
use crate::units::usize_from;

/// How a segment is split.
pub(crate) struct SplitPlan {
    base_offset: i64,
    /// Bytes of the segment.
    bytes: u64,
    borders: SegmentBorders,
    /// The pieces are recovered when they are loaded, as the segment would have been.
    must_recover: bool,
}

impl SplitPlan {
    /// Whether the segment is cut before a damaged batch: what follows it is lost then.
    pub(crate) fn is_damaged(&self) -> bool {
        self.borders.damage.is_some()
    }

    /// Bytes behind the last good batch.
    pub(crate) fn truncated_bytes(&self) -> u64 {
        self.bytes - self.borders.end
    }
}

/// The segments that came out of splits, with the files that count of each.
#[derive(Default)]
pub(crate) struct Pieces {
    bases: Vec<i64>,
    files: Vec<(FileKind, i64)>,
}

impl Pieces {
    /// Whether the segment came out of a split.
    pub(crate) fn knows(&self, base_offset: i64) -> bool {
        self.bases.contains(&base_offset)
    }

    /// Whether it has such a file; not so when that is to be built anew.
    pub(crate) fn has(&self, base_offset: i64, kind: FileKind) -> bool {
        self.files.contains(&(kind, base_offset))
    }
}

impl<D: Disk> SegmentLoader<'_, D> {
    /// How a segment that is believed without a walk has to be split. Costs nothing unless the
    /// `next` one begins out of reach, as it never does in a log without wide gaps.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn find_overflow(
        &self,
        segment: &Segment<D>,
        next: i64,
    ) -> Result<Option<SplitPlan>, EngineError> {
        let base_offset = segment.base_offset();
        if is_within_reach(base_offset, next - 1) || segment.bytes() == 0 {
            return Ok(None);
        }
        let last = self.last_entry::<OffsetEntry>(base_offset, FileKind::OffsetIndex)?;
        let from = last.map_or(0, |entry| u64::from(entry.position));
        let mut end = self.last_offset(segment, from)?;
        if end.is_none() && from != 0 {
            end = self.last_offset(segment, 0)?;
        }
        if end.is_none_or(|end| is_within_reach(base_offset, end)) {
            return Ok(None);
        }
        let plan = self.plan_split(base_offset, Some(next), segment.bytes(), false)?;
        if let Some(damage) = &plan.borders.damage {
            tracing::warn!(
                dir = %self.dir.display(), segment = base_offset, position = plan.borders.end,
                damage, "a segment with offsets out of reach is damaged and not split"
            );
            return Ok(None);
        }
        Ok(Some(plan))
    }

    /// The last offset of a segment by its batch headers from a position on; `None` when they do
    /// not lead to its end.
    fn last_offset(&self, segment: &Segment<D>, from: u64) -> Result<Option<i64>, EngineError> {
        let (base_offset, bytes) = (segment.base_offset(), segment.bytes());
        let path = self.path(base_offset, FileKind::Log);
        let opened = self.disk.open(&path);
        let file = opened.map_err(|source| EngineError::io("open", &path, source))?;
        let mut headers = HeaderReader::new(Access::Blocking, self.disk, &file, base_offset, bytes);
        let (mut position, mut last) = (from, None);
        loop {
            match block_on_ready(headers.at(position)) {
                Ok(Some(place)) => {
                    last = Some(place.header.last_offset());
                    position = place.end();
                }
                Ok(None) => return Ok(last),
                Err(_) => return Ok(None),
            }
        }
    }

    /// Walks the segment with its CRCs for the places where it has to be split.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn plan_split(
        &self,
        base_offset: i64,
        next_base: Option<i64>,
        bytes: u64,
        must_recover: bool,
    ) -> Result<SplitPlan, EngineError> {
        let path = self.path(base_offset, FileKind::Log);
        let opened = self.disk.open(&path);
        let file = opened.map_err(|source| EngineError::io("open", &path, source))?;
        let source = SegmentFile {
            disk: self.disk,
            file: &*file,
            path: &path,
            base_offset,
            next_base,
            bytes,
            // Not progress: the pieces are walked once more.
            on_walked: &|_| (),
        };
        Ok(SplitPlan {
            base_offset,
            bytes,
            borders: find_borders(&source)?,
            must_recover,
        })
    }

    /// Puts the pieces in the place of the segment, durably. Returns their base offsets.
    ///
    /// # Errors
    /// When a file cannot be read or written; the next open goes on with the old segment or the
    /// new ones.
    pub(crate) fn split(
        &self,
        plan: &SplitPlan,
        pieces: &mut Pieces,
    ) -> Result<Vec<i64>, EngineError> {
        let mut new = self.write_pieces(plan)?;
        let bases: Vec<i64> = new.iter().map(RewrittenSegment::base_offset).collect();
        tracing::warn!(
            dir = %self.dir.display(), segment = plan.base_offset, pieces = ?bases,
            truncated_bytes = plan.truncated_bytes(), damage = plan.borders.damage,
            "a segment is split: its offsets lie too far from its base offset"
        );
        for piece in &new {
            pieces.bases.push(piece.base_offset());
            if !plan.must_recover {
                let files = piece.kinds().into_iter();
                let files = files.map(|kind| (kind, piece.base_offset()));
                pieces.files.extend(files);
            }
        }
        for path in swap_files(self.disk, self.dir, &[plan.base_offset], &mut new)? {
            self.disk
                .remove_file_if_present(&path)
                .map_err(|source| EngineError::io("remove", &path, source))?;
        }
        Ok(bases)
    }

    fn write_pieces(&self, plan: &SplitPlan) -> Result<Vec<RewrittenSegment<D>>, EngineError> {
        let path = self.path(plan.base_offset, FileKind::Log);
        let io = |source| EngineError::io("read", &path, source);
        let modified_ms = self.disk.stat(&path).map_err(io)?.modified_ms;
        let file = self.disk.open(&path).map_err(io)?;
        let content = self.read_txn_index(plan.base_offset)?.unwrap_or_default();
        let aborted = TxnIndex::decode_below(&content, plan.base_offset, i64::MAX);
        let starts = &plan.borders.starts;
        let mut new = Vec::with_capacity(starts.len());
        for (index, &(base_offset, from)) in starts.iter().enumerate() {
            let (next, to) = match starts.get(index + 1) {
                Some(&(next, position)) => (next, position),
                None => (i64::MAX, plan.borders.end),
            };
            let mut rewriter =
                SegmentRewriter::create(self.disk, self.dir, base_offset, self.config)?;
            self.copy_batches(plan.base_offset, &file, from..to, &mut rewriter)?;
            let range = base_offset..next;
            for entry in aborted.entries() {
                if range.contains(&entry.last_offset) {
                    rewriter.add_aborted(*entry);
                }
            }
            new.push(rewriter.finish(modified_ms)?);
        }
        Ok(new)
    }

    /// Copies the batches of a range, which were walked before.
    fn copy_batches(
        &self,
        base_offset: i64,
        file: &Arc<D::File>,
        range: std::ops::Range<u64>,
        rewriter: &mut SegmentRewriter<D>,
    ) -> Result<(), EngineError> {
        let path = self.path(base_offset, FileKind::Log);
        let mut headers =
            HeaderReader::new(Access::Blocking, self.disk, file, base_offset, range.end);
        let (mut position, mut batch) = (range.start, Vec::new());
        while let Some(place) = block_on_ready(headers.at(position))
            .map_err(|error| EngineError::corrupt(&path, error.to_string()))?
        {
            batch.resize(usize_from(place.end() - position), 0);
            let read = self.disk.read_at(file, &mut batch, position);
            let read = read.map_err(|source| EngineError::io("read", &path, source))?;
            if read != batch.len() {
                let problem = format!("the batch at {position} was shortened");
                return Err(EngineError::corrupt(&path, problem));
            }
            rewriter.append(&place.header, &batch)?;
            position = place.end();
        }
        Ok(())
    }
}
