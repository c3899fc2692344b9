//! The file `snapshot`: the image at one entry of the log.
//!
//! | offset | bytes | type | meaning |
//! |---|---|---|---|
//! | 0 | 8 | ASCII | `RBMETSNP` |
//! | 8 | 4 | u32 | format version, 1 |
//! | 12 | 8 | u64 | length of the content in bytes |
//! | 20 | 4 | u32 | CRC-32C of bytes 0 to 20, then of the content |
//! | 24 | | | content: length-delimited protobuf messages (`record/metadata.rs`) |
//!
//! All integers are big-endian. The file is replaced as a whole, and only by a later snapshot.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{StorageError, atomic_file, u32_at, u64_at};
use crate::controller::image::MetadataImage;
use crate::controller::raft_types::{LogId, SnapshotMeta, StoredMembership};
use crate::controller::record::metadata::{decode_image, encode_image, snapshot_meta};

#[cfg(test)]
mod tests;

const MAGIC: [u8; 8] = *b"RBMETSNP";
const VERSION: u32 = 1;
const LENGTH_OFFSET: usize = 12;
const CRC_OFFSET: usize = LENGTH_OFFSET + 8;
const CONTENT_OFFSET: usize = CRC_OFFSET + 4;

/// A snapshot read back.
#[derive(Debug)]
pub(in crate::controller) struct StoredSnapshot {
    /// The image.
    pub(in crate::controller) image: MetadataImage,
    /// Its place in the log and the membership there.
    pub(in crate::controller) meta: SnapshotMeta,
    /// The content it was read from.
    pub(in crate::controller) content: Vec<u8>,
}

/// The snapshot file of one metadata directory. Clones share a lock, so a snapshot built in the
/// background and one received from a leader can't undo each other.
#[derive(Debug, Clone)]
pub(in crate::controller) struct SnapshotFile {
    path: PathBuf,
    cluster_id: Arc<str>,
    /// The last log id of the snapshot on disk.
    written: Arc<Mutex<Option<LogId>>>,
}

impl SnapshotFile {
    /// Opens the file in `directory` and reads the snapshot, if there is one.
    pub(in crate::controller) fn open(
        directory: &Path,
        cluster_id: Arc<str>,
    ) -> Result<(Self, Option<StoredSnapshot>), StorageError> {
        let file = Self {
            path: directory.join("snapshot"),
            cluster_id,
            written: Arc::default(),
        };
        let stored = file.read()?;
        *file.lock() = stored.as_ref().and_then(|stored| stored.meta.last_log_id);
        Ok((file, stored))
    }

    /// Reads the current snapshot.
    pub(in crate::controller) fn read(&self) -> Result<Option<StoredSnapshot>, StorageError> {
        let Some(mut bytes) = atomic_file::read(&self.path)? else {
            return Ok(None);
        };
        self.check(&bytes)?;
        let content = bytes.split_off(CONTENT_OFFSET);
        self.decode(content).map(Some)
    }

    /// Writes the image as the current snapshot unless a later one is there already. Durable on
    /// return.
    pub(in crate::controller) fn write(
        &self,
        image: &MetadataImage,
        last_log_id: Option<LogId>,
        last_membership: StoredMembership,
    ) -> Result<(SnapshotMeta, Vec<u8>), StorageError> {
        let content = encode_image(image, last_log_id.as_ref(), &last_membership);
        self.replace(last_log_id, &content)?;
        Ok((snapshot_meta(last_log_id, last_membership), content))
    }

    /// Decodes a snapshot received from the leader and makes it the current one. Durable on return.
    pub(in crate::controller) fn install(
        &self,
        content: Vec<u8>,
    ) -> Result<StoredSnapshot, StorageError> {
        let stored = self.decode(content)?;
        self.replace(stored.meta.last_log_id, &stored.content)?;
        Ok(stored)
    }

    fn replace(&self, last_log_id: Option<LogId>, content: &[u8]) -> Result<(), StorageError> {
        let mut written = self.lock();
        if last_log_id < *written {
            return Ok(());
        }
        let mut header = Vec::with_capacity(CONTENT_OFFSET);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&VERSION.to_be_bytes());
        header.extend_from_slice(&(content.len() as u64).to_be_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&header), content);
        header.extend_from_slice(&crc.to_be_bytes());
        atomic_file::replace(&self.path, &[&header, content])?;
        *written = last_log_id;
        Ok(())
    }

    fn check(&self, bytes: &[u8]) -> Result<(), StorageError> {
        let corrupt = |position: usize, reason: &str| {
            Err(StorageError::corrupt(&self.path, position as u64, reason))
        };
        if bytes.len() < CONTENT_OFFSET {
            return corrupt(bytes.len(), "shorter than its header");
        }
        if bytes[..MAGIC.len()] != MAGIC {
            return corrupt(0, "not a snapshot file");
        }
        let found = u32_at(bytes, MAGIC.len()).unwrap_or(0);
        if found != VERSION {
            let path = self.path.clone();
            return Err(StorageError::UnknownFormat {
                path,
                found,
                known: VERSION,
            });
        }
        if u64_at(bytes, LENGTH_OFFSET) != Some((bytes.len() - CONTENT_OFFSET) as u64) {
            return corrupt(LENGTH_OFFSET, "wrong length");
        }
        let crc = crc32c::crc32c_append(
            crc32c::crc32c(&bytes[..CRC_OFFSET]),
            &bytes[CONTENT_OFFSET..],
        );
        if u32_at(bytes, CRC_OFFSET) != Some(crc) {
            return corrupt(CRC_OFFSET, "checksum mismatch");
        }
        Ok(())
    }

    fn decode(&self, content: Vec<u8>) -> Result<StoredSnapshot, StorageError> {
        let (image, last_log_id, membership) = decode_image(&content, Arc::clone(&self.cluster_id))
            .map_err(|error| StorageError::corrupt(&self.path, CONTENT_OFFSET as u64, error))?;
        Ok(StoredSnapshot {
            image,
            meta: snapshot_meta(last_log_id, membership),
            content,
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<LogId>> {
        // The value is set in one step after the write: a panic elsewhere can't leave it half done.
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
