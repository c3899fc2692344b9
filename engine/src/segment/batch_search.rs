//! Finds batches in a segment file by reading their headers only. Never decodes records. Used by
//! reads on a ring's thread and by blocking walks at open and for timestamps.

use std::sync::Arc;

use ringbrook_record::{BatchHeader, HEADER_BYTES};

use super::segment_files::PositionsAround;
use crate::error::ReadError;
use crate::io::{Access, Disk};
use crate::units::usize_from;

/// Bytes read at once to begin with: several small batches' headers, or one header of a large
/// batch.
const CHUNK_BYTES: usize = 4096;
/// Bytes read at once when one small batch follows the other.
const CHUNK_BYTES_MAX: usize = 64 << 10;

/// A batch and where it starts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchPlace {
    pub(crate) header: BatchHeader,
    pub(crate) position: u64,
}

impl BatchPlace {
    /// Where the next batch starts.
    pub(crate) fn end(&self) -> u64 {
        self.position + self.header.size_bytes() as u64
    }
}

/// Reads headers from `position` up to `end`, which is a batch border or the end of the file.
pub(crate) struct HeaderReader<'a, D: Disk> {
    access: Access,
    disk: &'a D,
    file: &'a Arc<D::File>,
    base_offset: i64,
    end: u64,
    chunk: Vec<u8>,
    chunk_position: u64,
    chunk_bytes: usize,
    /// Bytes to read next.
    wanted_bytes: usize,
}

impl<'a, D: Disk> HeaderReader<'a, D> {
    pub(crate) fn new(
        access: Access,
        disk: &'a D,
        file: &'a Arc<D::File>,
        base_offset: i64,
        end: u64,
    ) -> Self {
        Self {
            access,
            disk,
            file,
            base_offset,
            end,
            chunk: Vec::new(),
            chunk_position: 0,
            chunk_bytes: 0,
            wanted_bytes: CHUNK_BYTES,
        }
    }

    /// The batch that starts at `position`; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read or no whole batch of format v2 starts there.
    pub(crate) async fn at(&mut self, position: u64) -> Result<Option<BatchPlace>, ReadError> {
        if self.end <= position {
            return Ok(None);
        }
        if self.cached(position).is_none() {
            self.fill(position).await?;
        }
        let Some(bytes) = self.cached(position) else {
            return Err(self.corrupt(position, "the file ends inside a batch header".to_owned()));
        };
        let header =
            BatchHeader::parse(bytes).map_err(|error| self.corrupt(position, error.to_string()))?;
        let place = BatchPlace { header, position };
        if self.end < place.end() {
            return Err(self.corrupt(position, "the file ends inside a batch".to_owned()));
        }
        Ok(Some(place))
    }

    /// The first batch at or after `position` whose last offset is not below `offset`.
    ///
    /// # Errors
    /// As [`Self::at`].
    pub(crate) async fn find(
        &mut self,
        position: u64,
        offset: i64,
    ) -> Result<Option<BatchPlace>, ReadError> {
        let mut position = position;
        while let Some(place) = self.at(position).await? {
            if offset <= place.header.last_offset() {
                return Ok(Some(place));
            }
            position = place.end();
        }
        Ok(None)
    }

    /// [`Self::find`] between the index's entries. Takes one read in the usual cases: small batches
    /// lie in one chunk between the entries, and the batch of the upper entry is tried first when
    /// they are large.
    ///
    /// # Errors
    /// As [`Self::at`].
    pub(crate) async fn find_between(
        &mut self,
        around: PositionsAround,
        offset: i64,
    ) -> Result<Option<BatchPlace>, ReadError> {
        if let Some(ceiling) = around.ceiling {
            let span = usize_from(ceiling - around.floor).saturating_add(HEADER_BYTES);
            if span <= 2 * CHUNK_BYTES {
                self.wanted_bytes = span.max(CHUNK_BYTES);
            } else {
                self.wanted_bytes = HEADER_BYTES;
                let tried = self.at(ceiling).await;
                self.wanted_bytes = CHUNK_BYTES;
                match tried {
                    Ok(Some(place)) if is_within(&place, offset) => return Ok(Some(place)),
                    // A place in the index that holds no batch is found out by the walk, if it
                    // matters.
                    Ok(_) | Err(ReadError::Corrupt { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        self.find(around.floor, offset).await
    }

    fn cached(&self, position: u64) -> Option<&[u8]> {
        let from = usize_from(position.checked_sub(self.chunk_position)?);
        self.chunk[..self.chunk_bytes].get(from..from.checked_add(HEADER_BYTES)?)
    }

    async fn fill(&mut self, position: u64) -> Result<(), ReadError> {
        let chunk_end = self.chunk_position + self.chunk_bytes as u64;
        if 0 < self.chunk_bytes && position < chunk_end + HEADER_BYTES as u64 {
            self.wanted_bytes = (2 * self.wanted_bytes).clamp(CHUNK_BYTES, CHUNK_BYTES_MAX);
        }
        let wanted = usize_from(self.end - position).min(self.wanted_bytes);
        let mut buf = std::mem::take(&mut self.chunk);
        buf.resize(wanted, 0);
        let (result, buf) = self.access.read(self.disk, self.file, buf, position).await;
        self.chunk = buf;
        self.chunk_position = position;
        self.chunk_bytes = 0;
        self.chunk_bytes = result?;
        Ok(())
    }

    fn corrupt(&self, position: u64, problem: String) -> ReadError {
        ReadError::Corrupt {
            base_offset: self.base_offset,
            position,
            problem,
        }
    }
}

fn is_within(place: &BatchPlace, offset: i64) -> bool {
    place.header.base_offset <= offset && offset <= place.header.last_offset()
}
