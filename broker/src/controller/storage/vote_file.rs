//! The file `vote`: for whom this node voted in which term.
//!
//! | offset | bytes | type | meaning |
//! |---|---|---|---|
//! | 0 | 8 | ASCII | `RBMETVOT` |
//! | 8 | 4 | u32 | format version, 1 |
//! | 12 | 8 | u64 | term |
//! | 20 | 8 | u64 | id of the node voted for |
//! | 28 | 4 | u32 | 1 if that node is known to lead the term, else 0 |
//! | 32 | 4 | u32 | CRC-32C of bytes 0 to 32 |
//!
//! All integers are big-endian. The file is replaced as a whole.

use std::path::Path;

use super::{StorageError, atomic_file, u32_at, u64_at};
use crate::controller::raft_types::Vote;

#[cfg(test)]
mod tests;

const MAGIC: [u8; 8] = *b"RBMETVOT";
const VERSION: u32 = 1;
const TERM_OFFSET: usize = 12;
const NODE_OFFSET: usize = TERM_OFFSET + 8;
const COMMITTED_OFFSET: usize = NODE_OFFSET + 8;
const CRC_OFFSET: usize = COMMITTED_OFFSET + 4;
const FILE_BYTES: usize = CRC_OFFSET + 4;

/// Makes `vote` durable.
pub(super) fn write(path: &Path, vote: &Vote) -> Result<(), StorageError> {
    let mut bytes = Vec::with_capacity(FILE_BYTES);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&vote.leader_id.term.to_be_bytes());
    bytes.extend_from_slice(&vote.leader_id.node_id.to_be_bytes());
    bytes.extend_from_slice(&u32::from(vote.committed).to_be_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
    atomic_file::replace(path, &[&bytes])
}

/// The vote last written, or `None` if this node never voted.
pub(super) fn read(path: &Path) -> Result<Option<Vote>, StorageError> {
    let Some(bytes) = atomic_file::read(path)? else {
        return Ok(None);
    };
    let corrupt = |reason: &str| StorageError::corrupt(path, 0, reason);
    if bytes.len() != FILE_BYTES {
        return Err(corrupt("wrong length"));
    }
    if u32_at(&bytes, CRC_OFFSET) != Some(crc32c::crc32c(&bytes[..CRC_OFFSET])) {
        return Err(corrupt("checksum mismatch"));
    }
    if bytes[..MAGIC.len()] != MAGIC {
        return Err(corrupt("not a vote file"));
    }
    match u32_at(&bytes, MAGIC.len()) {
        Some(VERSION) => {}
        found => {
            let (path, found) = (path.to_owned(), found.unwrap_or(0));
            return Err(StorageError::UnknownFormat {
                path,
                found,
                known: VERSION,
            });
        }
    }
    let fields = (
        u64_at(&bytes, TERM_OFFSET),
        u64_at(&bytes, NODE_OFFSET),
        u32_at(&bytes, COMMITTED_OFFSET),
    );
    match fields {
        (Some(term), Some(node_id), Some(0)) => Ok(Some(Vote::new(term, node_id))),
        (Some(term), Some(node_id), Some(1)) => Ok(Some(Vote::new_committed(term, node_id))),
        _ => Err(corrupt("invalid field")),
    }
}
