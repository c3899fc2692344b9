//! Zeroing past the end of the active segment, ahead of small appends; why is told in
//! `segment/zeroed_ahead.rs`. The file is longer than its segment meanwhile; it is
//! cut when the segment is rolled or closed, and after a crash recovery takes zeros up to the
//! file's end for what they are. Called by the drain; zeroes together with the batches themselves
//! for the first durable appends to a segment and for all that are not durable, else on background
//! threads.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::partition_log::PartitionLog;
use crate::io::{Access, Disk};
#[cfg(test)]
use crate::proof::sabotage::{Sabotage, is_on};
use crate::segment::{FileKind, RecentWrites, Segment, WrittenAt};
use crate::units::usize_from;

/// Segments smaller than this are not worth a job,
const FROM_BYTES: u64 = if cfg!(test) { 512 } else { 128 << 10 };
/// nor are smaller ones than this if their batches are large: a job zeroes as much as a part of the
/// segment has, and is to serve many of them.
const FROM_BYTES_OF_LARGE_BATCHES: u64 = if cfg!(test) { 512 } else { 1 << 20 };
/// What zeros cost grows with the bytes, what they gain with the syncs and with the batches that
/// wait for them: writes of this size on average gain less than the zeros cost,
const LARGE_WRITE_BYTES: u64 = 64 << 10;
/// and so do those of this size if their batches are large:
const LARGE_WRITE_OF_LARGE_BATCHES_BYTES: u64 = 24 << 10;
/// on average at least so large.
const LARGE_BATCH_BYTES: u64 = 4 << 10;
/// Written to the disk at a time: an append's sync waits for that much at most. All chunks of a job
/// share one sync: one for each would only make the disk flush its cache more often.
const CHUNK_BYTES: usize = if cfg!(test) { 512 } else { 128 << 10 };
/// At the border of a page.
#[repr(align(4096))]
struct Zeros([u8; CHUNK_BYTES + PAGE_BYTES]);
const PAGE_BYTES: usize = 4 << 10;
static ZEROS: Zeros = Zeros([0; CHUNK_BYTES + PAGE_BYTES]);
/// From this size on writes to the page cache gain little.
const LARGE_CACHED_WRITE_BYTES: u64 = 128 << 10;

impl<D: Disk> PartitionLog<D> {
    /// Zeroes more in the background, after a durable write of so many batches and bytes that ended
    /// at `end`, if that is worthwhile for writes like the last ones.
    pub(super) fn zero_ahead(
        self: &Arc<Self>,
        access: Access,
        segment: &Arc<Segment<D>>,
        batches: usize,
        bytes: u64,
        end: u64,
    ) {
        let writes = segment.zeroed_ahead().on_write(batches as u64, bytes);
        if !are_worth_a_job(writes, end) || self.health.is_full() {
            return;
        }
        let limit = u64::from(self.config.load().segment_bytes);
        // The drain that asks is in flight itself.
        let is_alone = self.health.writes().activity().in_flight <= 1;
        if !segment.zeroed_ahead().queue(end, limit, is_alone) {
            return;
        }
        let Some(permit) = self.health.begin_zeroing() else {
            return segment.zeroed_ahead().call_off();
        };
        let (log, segment) = (Arc::clone(self), Arc::clone(segment));
        access.start(&self.disk, self.health.id(), move || {
            log.zero(&segment);
            drop(permit);
        });
    }

    /// The zeros that a write to the page cache brings along: batches that end at `written.end`, of
    /// which the last was appended at `appended_ms`.
    pub(super) fn zeros_behind(
        &self,
        segment: &Segment<D>,
        written: &Range<u64>,
        appended_ms: i64,
    ) -> Option<Bytes> {
        let is_large = LARGE_CACHED_WRITE_BYTES <= written.end - written.start;
        if is_large || written.end < FROM_BYTES || self.health.is_full() {
            return None;
        }
        let limit = u64::from(self.config.load().segment_bytes);
        let at = WrittenAt {
            ms: appended_ms,
            drains: self.health.writes().activity().ended,
        };
        let to = segment.zeroed_ahead().extend(written, at, limit)?;
        // What is to be cut off when the segment is finished.
        segment.raise_allocated(to);
        Some(Bytes::from_static(zeros(written.end..to)))
    }

    /// The zeros that a durable write to a small segment brings along, which becomes durable with
    /// them; as for [`Self::zeros_behind`].
    pub(super) fn first_zeros_behind(
        &self,
        segment: &Segment<D>,
        written: &Range<u64>,
        appended_ms: i64,
    ) -> Option<Bytes> {
        let account = segment.zeroed_ahead();
        let writes = account.recent_writes();
        let are_large = LARGE_BATCH_BYTES <= writes.batch_bytes();
        if are_large || LARGE_WRITE_BYTES <= writes.bytes() || self.health.is_full() {
            return None;
        }
        let limit = u64::from(self.config.load().segment_bytes);
        let to = account.extend_durably(written, appended_ms, limit)?;
        segment.raise_allocated(to);
        Some(Bytes::from_static(zeros(written.end..to)))
    }

    /// Makes sure that nobody zeroes below `end`, which is about to be written.
    pub(super) async fn pass_zeroing(
        &self,
        access: Access,
        segment: &Arc<Segment<D>>,
        end: u64,
    ) -> std::io::Result<()> {
        #[cfg(test)]
        if is_on(Sabotage::ZeroedOverBatches) {
            return Ok(());
        }
        if !segment.zeroed_ahead().must_wait(end) {
            return Ok(());
        }
        let waiting = Arc::clone(segment);
        let wait = move || waiting.zeroed_ahead().wait();
        access.run(&self.disk, wait).await
    }

    fn zero(&self, segment: &Segment<D>) {
        let Some(zeroing) = segment.zeroed_ahead().begin() else {
            return;
        };
        // A file of our own: a failure is told once for each, so a sync of ours takes none from
        // those of the appends (L6). If it is another file of this name, the segment is sealed or
        // the log is deleted, and nothing is written below.
        let path = self.path_of(segment.base_offset(), FileKind::Log);
        let file = match self.disk.open(&path) {
            Ok(file) => file,
            // Appends only cost more without zeros, and have the file open: it was moved.
            Err(error) => return tracing::debug!(%error, ?path, "nothing is zeroed ahead"),
        };
        zeroing.set_barrier(self.disk.barrier(&file, &self.dir.load()));
        // What is to be cut off when the segment is finished.
        segment.raise_allocated(zeroing.end());
        while let Some(chunk) = zeroing.next(CHUNK_BYTES as u64) {
            if self.is_offline() || self.is_deleted() {
                return;
            }
            let zeros = zeros(chunk.clone());
            let written = self.disk.write_all_at(&file, zeros, chunk.start);
            zeroing.written(chunk.end);
            if let Err(error) = written.and_then(|()| self.disk.write_back(&file, chunk.clone())) {
                return self.fail("zero", &error);
            }
            zeroing.written_back(chunk.end);
        }
        #[cfg(test)]
        if is_on(Sabotage::ZerosNotSynced) {
            return;
        }
        let Some(zeros) = zeroing.to_sync() else {
            return;
        };
        match self.disk.sync(&file) {
            Ok(()) => zeroing.synced(zeros),
            Err(error) => self.fail("sync zeros of", &error),
        }
    }
}

/// Zeros for a range of a file of at most [`CHUNK_BYTES`], in memory that begins as far into its
/// page as the range does: the kernel's copy to an address that is up to 16 bytes further into its
/// page than its source takes several times as long on an AMD EPYC, 12 us more for 48 KiB.
fn zeros(range: Range<u64>) -> &'static [u8] {
    let from = usize_from(range.start % PAGE_BYTES as u64);
    &ZEROS.0[from..from + usize_from(range.end - range.start)]
}

/// Whether zeros for such writes to a segment that ends at `end` gain more than their job costs.
fn are_worth_a_job(writes: RecentWrites, end: u64) -> bool {
    let (large_bytes, from_bytes) = if LARGE_BATCH_BYTES <= writes.batch_bytes() {
        (
            LARGE_WRITE_OF_LARGE_BATCHES_BYTES,
            FROM_BYTES_OF_LARGE_BATCHES,
        )
    } else {
        (LARGE_WRITE_BYTES, FROM_BYTES)
    };
    writes.bytes() < large_bytes && from_bytes <= end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_lie_in_their_page_as_in_the_file() {
        for (start, bytes) in [
            (0, 1),
            (6, 500),
            (4095, 512),
            (4096 + 61, CHUNK_BYTES as u64),
        ] {
            let zeros = zeros(start..start + bytes);
            assert_eq!(zeros.len() as u64, bytes);
            let into_page = zeros.as_ptr().addr() % PAGE_BYTES;
            assert_eq!(into_page as u64, start % PAGE_BYTES as u64, "{start}");
        }
    }
}
