//! Finds batches in a segment file by reading their headers only. Never decodes records. Used by
//! reads on a ring's thread and by blocking walks at open and for timestamps.

use std::sync::Arc;

use ringbrook_record::{BatchHeader, HEADER_BYTES};

use crate::error::ReadError;
use crate::io::{Access, Disk};
use crate::units::usize_from;

/// Bytes read at once: several small batches' headers, or one header of a large batch.
const CHUNK_BYTES: usize = 4096;

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

    fn cached(&self, position: u64) -> Option<&[u8]> {
        let from = usize_from(position.checked_sub(self.chunk_position)?);
        self.chunk[..self.chunk_bytes].get(from..from.checked_add(HEADER_BYTES)?)
    }

    async fn fill(&mut self, position: u64) -> Result<(), ReadError> {
        let wanted = usize_from(self.end - position).min(CHUNK_BYTES);
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
