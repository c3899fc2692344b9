//! A log file, read batch by batch. No more than one batch is in memory.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ringbrook_record::batch_header::{LEGACY_BATCH_LENGTH_MIN, MAGIC_END_BYTES};
use ringbrook_record::{Batch, BatchHeader, LOG_OVERHEAD_BYTES};

use super::failed;
use crate::frame::Failure;

/// A log file and where its bytes end.
#[derive(Debug)]
pub(super) struct BatchFile {
    path: PathBuf,
    file: File,
    /// Where reading ends: the file's end, or before it.
    pub(super) end: u64,
}

impl BatchFile {
    /// Opens a log file to read it, no further than to `bytes_max`.
    pub(super) fn open(path: &Path, bytes_max: Option<u32>) -> Result<Self, Failure> {
        let file = File::open(path).map_err(|error| failed(path, error))?;
        let metadata = file.metadata().map_err(|error| failed(path, error))?;
        let end = bytes_max.map_or(metadata.len(), |max| metadata.len().min(max.into()));
        Ok(Self {
            path: path.to_owned(),
            file,
            end,
        })
    }

    /// The bytes of the batch at `position`; `None` at the end, and where the last one is cut.
    pub(super) fn batch_at(&self, position: u64) -> Result<Option<Vec<u8>>, Failure> {
        let head_bytes = MAGIC_END_BYTES as u64;
        if self.end < position.saturating_add(head_bytes) {
            return Ok(None);
        }
        let mut head = [0; MAGIC_END_BYTES];
        self.read(&mut head, position)?;
        let [.., l0, l1, l2, l3, _, _, _, _, magic] = head;
        let length = i32::from_be_bytes([l0, l1, l2, l3]);
        if length < LEGACY_BATCH_LENGTH_MIN {
            return Err(failed(
                &self.path,
                format_args!(
                    "Found record size {length} smaller than minimum record overhead \
                     ({LEGACY_BATCH_LENGTH_MIN}) at position {position}."
                ),
            ));
        }
        let size_bytes = usize::try_from(length)
            .unwrap_or(0)
            .saturating_add(LOG_OVERHEAD_BYTES);
        if self.end < position.saturating_add(size_bytes as u64) {
            return Ok(None);
        }
        if magic < 2 {
            return Err(failed(
                &self.path,
                format_args!(
                    "the batch at position {position} has message format {magic}, which Kafka 4 \
                     does not write and rbk does not read"
                ),
            ));
        }
        let mut bytes = vec![0; size_bytes];
        self.read(&mut bytes, position)?;
        Ok(Some(bytes))
    }

    /// The batch in bytes that [`BatchFile::batch_at`] gave.
    pub(super) fn parse<'a>(&self, bytes: &'a [u8]) -> Result<Batch<'a>, Failure> {
        Batch::parse(bytes).map_err(|error| failed(&self.path, error))
    }

    /// The header of the batch at `position`.
    pub(super) fn header_at(&self, position: u64) -> Result<Option<BatchHeader>, Failure> {
        match self.batch_at(position)? {
            Some(bytes) => Ok(Some(self.parse(&bytes)?.header)),
            None => Ok(None),
        }
    }

    fn read(&self, bytes: &mut [u8], position: u64) -> Result<(), Failure> {
        let done = self.file.read_exact_at(bytes, position);
        done.map_err(|error| failed(&self.path, error))
    }
}

/// The offset in a file's name: the digits before the first point.
pub(super) fn offset_of(path: &Path) -> Result<i64, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let digits = name.split('.').next().unwrap_or_default();
    let offset = digits.parse();
    offset.map_err(|_| failed(path, "the name does not begin with an offset"))
}
