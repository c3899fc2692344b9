//! The file `log`: a header, then frames of entries in the order they were appended.
//!
//! Header, 52 bytes:
//!
//! | offset | bytes | type | meaning |
//! |---|---|---|---|
//! | 0 | 8 | ASCII | `RBMETLOG` |
//! | 8 | 4 | u32 | format version, 1 |
//! | 12 | 8 | u64 | salt: random, part of every frame's checksum |
//! | 20 | 4 | u32 | 1 if entries were purged, else 0 |
//! | 24 | 8 | u64 | term of the last purged entry |
//! | 32 | 8 | u64 | node id of the leader of that term |
//! | 40 | 8 | u64 | index of the last purged entry |
//! | 48 | 4 | u32 | CRC-32C of bytes 0 to 48 |
//!
//! Frame:
//!
//! | offset | bytes | type | meaning |
//! |---|---|---|---|
//! | 0 | 4 | ASCII | `RBMF` |
//! | 4 | 4 | u32 | length of the payload |
//! | 8 | 4 | u32 | CRC-32C of salt, length and payload |
//! | 12 | | protobuf | payload: `EntriesRecord` |
//!
//! All integers are big-endian. A frame is one write and one fdatasync, and the next one follows
//! only when it is on disk. So a bad frame with a good one behind it is damage, and the start
//! stops; a bad frame with nothing behind it was never acknowledged, and is cut off. The salt keeps
//! bytes inside a torn frame (clients choose configuration values) from passing as a good frame.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use openraft::CommittedLeaderId;
use prost::Message;
use uuid::Uuid;

use super::{StorageError, atomic_file, u32_at, u64_at};
use crate::controller::raft_types::{Entry, LogId};
use crate::controller::record::entry::{EntriesRecord, EntryRecord};

#[cfg(test)]
mod tests;

const MAGIC: [u8; 8] = *b"RBMETLOG";
const VERSION: u32 = 1;
const SALT_OFFSET: usize = 12;
const PURGED_OFFSET: usize = SALT_OFFSET + 8;
const TERM_OFFSET: usize = PURGED_OFFSET + 4;
const NODE_OFFSET: usize = TERM_OFFSET + 8;
const INDEX_OFFSET: usize = NODE_OFFSET + 8;
const CRC_OFFSET: usize = INDEX_OFFSET + 8;
const HEADER_BYTES: usize = CRC_OFFSET + 4;

const FRAME_MAGIC: [u8; 4] = *b"RBMF";
const FRAME_LENGTH_OFFSET: usize = 4;
const FRAME_CRC_OFFSET: usize = FRAME_LENGTH_OFFSET + 4;
const FRAME_HEADER_BYTES: usize = FRAME_CRC_OFFSET + 4;

/// What opening the log found.
#[derive(Debug)]
pub(super) struct Recovered {
    /// The file, ready to append to.
    pub(super) file: LogFile,
    /// All entries in it.
    pub(super) entries: Vec<Entry>,
    /// Bytes of a torn frame that were cut off.
    pub(super) torn_bytes: u64,
}

/// The open log. One owner appends; nothing else writes the file.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    salt: u64,
    end: u64,
    purged: Option<LogId>,
    is_poisoned: bool,
}

impl LogFile {
    /// Opens or creates the log in `directory`.
    pub(super) fn open(directory: &Path) -> Result<Recovered, StorageError> {
        let path = directory.join("log");
        let Some(bytes) = atomic_file::read(&path)? else {
            let file = Self::create(&path, None, &[])?;
            return Ok(Recovered {
                file,
                entries: Vec::new(),
                torn_bytes: 0,
            });
        };
        let (salt, purged) = read_header(&path, &bytes)?;
        let (entries, end) = read_frames(&path, &bytes, salt)?;
        check_sequence(&path, purged.as_ref(), &entries)?;
        let file = open_existing(&path)?;
        let torn_bytes = (bytes.len() - end) as u64;
        let end = end as u64;
        if 0 < torn_bytes {
            file.set_len(end)
                .map_err(StorageError::io("truncate", &path))?;
            file.sync_all().map_err(StorageError::io("sync", &path))?;
        }
        let file = Self {
            path,
            file,
            salt,
            end,
            purged,
            is_poisoned: false,
        };
        Ok(Recovered {
            file,
            entries,
            torn_bytes,
        })
    }

    /// Length of the file in bytes.
    pub(super) fn len_bytes(&self) -> u64 {
        self.end
    }

    /// The last entry that was purged.
    pub(super) fn purged(&self) -> Option<LogId> {
        self.purged
    }

    /// Appends the entries as one frame. Durable on return.
    pub(super) fn append(&mut self, entries: &[Entry]) -> Result<(), StorageError> {
        if self.is_poisoned {
            return Err(StorageError::Poisoned {
                path: self.path.clone(),
            });
        }
        let frame = encode_frame(&self.path, self.salt, entries)?;
        // Until the sync has succeeded nobody knows what is on disk, and after a failed sync
        // nobody ever will: the kernel may have dropped the dirty pages.
        self.is_poisoned = true;
        self.file
            .write_all_at(&frame, self.end)
            .map_err(StorageError::io("write", &self.path))?;
        self.file
            .sync_data()
            .map_err(StorageError::io("sync", &self.path))?;
        self.is_poisoned = false;
        self.end += frame.len() as u64;
        Ok(())
    }

    /// Replaces the whole content: what a purge (new `purged`) or a truncation (fewer entries)
    /// comes down to. Durable on return.
    pub(super) fn rewrite(
        &mut self,
        purged: Option<LogId>,
        entries: &[Entry],
    ) -> Result<(), StorageError> {
        if self.is_poisoned {
            return Err(StorageError::Poisoned {
                path: self.path.clone(),
            });
        }
        self.is_poisoned = true;
        *self = Self::create(&self.path, purged, entries)?;
        Ok(())
    }

    fn create(path: &Path, purged: Option<LogId>, entries: &[Entry]) -> Result<Self, StorageError> {
        let salt = Uuid::new_v4().as_u64_pair().1;
        let header = encode_header(salt, purged.as_ref());
        let frame = if entries.is_empty() {
            Vec::new()
        } else {
            encode_frame(path, salt, entries)?
        };
        atomic_file::replace(path, &[&header, &frame])?;
        let file = open_existing(path)?;
        let end = (header.len() + frame.len()) as u64;
        Ok(Self {
            path: path.to_owned(),
            file,
            salt,
            end,
            purged,
            is_poisoned: false,
        })
    }
}

fn open_existing(path: &Path) -> Result<File, StorageError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(StorageError::io("open", path))
}

fn encode_header(salt: u64, purged: Option<&LogId>) -> Vec<u8> {
    let (term, node_id, index) = purged.map_or((0, 0, 0), |log_id| {
        (
            log_id.leader_id.term,
            log_id.leader_id.node_id,
            log_id.index,
        )
    });
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&VERSION.to_be_bytes());
    header.extend_from_slice(&salt.to_be_bytes());
    header.extend_from_slice(&u32::from(purged.is_some()).to_be_bytes());
    header.extend_from_slice(&term.to_be_bytes());
    header.extend_from_slice(&node_id.to_be_bytes());
    header.extend_from_slice(&index.to_be_bytes());
    header.extend_from_slice(&crc32c::crc32c(&header).to_be_bytes());
    header
}

/// The salt and the last purged entry.
fn read_header(path: &Path, bytes: &[u8]) -> Result<(u64, Option<LogId>), StorageError> {
    let corrupt =
        |position: usize, reason: &str| StorageError::corrupt(path, position as u64, reason);
    if bytes.len() < HEADER_BYTES {
        return Err(corrupt(bytes.len(), "shorter than its header"));
    }
    if bytes[..MAGIC.len()] != MAGIC {
        return Err(corrupt(0, "not a metadata log"));
    }
    if u32_at(bytes, CRC_OFFSET) != Some(crc32c::crc32c(&bytes[..CRC_OFFSET])) {
        return Err(corrupt(CRC_OFFSET, "header checksum mismatch"));
    }
    let found = u32_at(bytes, MAGIC.len()).unwrap_or(0);
    if found != VERSION {
        return Err(StorageError::UnknownFormat {
            path: path.to_owned(),
            found,
            known: VERSION,
        });
    }
    let field = |offset| u64_at(bytes, offset).ok_or_else(|| corrupt(offset, "absent field"));
    let purged = LogId::new(
        CommittedLeaderId::new(field(TERM_OFFSET)?, field(NODE_OFFSET)?),
        field(INDEX_OFFSET)?,
    );
    let has_purged = u32_at(bytes, PURGED_OFFSET) == Some(1);
    Ok((field(SALT_OFFSET)?, has_purged.then_some(purged)))
}

fn encode_frame(path: &Path, salt: u64, entries: &[Entry]) -> Result<Vec<u8>, StorageError> {
    let record = EntriesRecord {
        entries: entries.iter().map(EntryRecord::from).collect(),
    };
    let payload_bytes = record.encoded_len();
    let length = u32::try_from(payload_bytes)
        .map_err(|_| StorageError::corrupt(path, 0, "frame above 4 GiB refused"))?;
    let mut frame = Vec::with_capacity(FRAME_HEADER_BYTES + payload_bytes);
    frame.extend_from_slice(&FRAME_MAGIC);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    record.encode(&mut frame).expect("a Vec takes any length");
    let crc = frame_crc(salt, length, &frame[FRAME_HEADER_BYTES..]);
    frame[FRAME_CRC_OFFSET..FRAME_HEADER_BYTES].copy_from_slice(&crc.to_be_bytes());
    Ok(frame)
}

fn frame_crc(salt: u64, length: u32, payload: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&salt.to_be_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(crc, &length.to_be_bytes()), payload)
}

/// The payload of the frame at the start of `bytes`, if there is a whole and undamaged one.
fn frame_payload(bytes: &[u8], salt: u64) -> Option<&[u8]> {
    if bytes.get(..FRAME_MAGIC.len())? != FRAME_MAGIC {
        return None;
    }
    let length = u32_at(bytes, FRAME_LENGTH_OFFSET)?;
    let end = FRAME_HEADER_BYTES.checked_add(usize::try_from(length).ok()?)?;
    let payload = bytes.get(FRAME_HEADER_BYTES..end)?;
    (u32_at(bytes, FRAME_CRC_OFFSET)? == frame_crc(salt, length, payload)).then_some(payload)
}

/// All entries, and where the last good frame ends.
fn read_frames(path: &Path, bytes: &[u8], salt: u64) -> Result<(Vec<Entry>, usize), StorageError> {
    let mut entries = Vec::new();
    let mut position = HEADER_BYTES;
    while position < bytes.len() {
        let Some(payload) = frame_payload(&bytes[position..], salt) else {
            if has_frame(&bytes[position..], salt) {
                let reason = "bad frame with good ones behind it";
                return Err(StorageError::corrupt(path, position as u64, reason));
            }
            return Ok((entries, position));
        };
        let decoded = EntriesRecord::decode(payload)
            .map_err(|error| StorageError::corrupt(path, position as u64, error))?;
        for record in decoded.entries {
            let entry = Entry::try_from(record)
                .map_err(|error| StorageError::corrupt(path, position as u64, error))?;
            entries.push(entry);
        }
        position += FRAME_HEADER_BYTES + payload.len();
    }
    Ok((entries, position))
}

/// Whether a good frame begins anywhere behind the first byte.
fn has_frame(bytes: &[u8], salt: u64) -> bool {
    (1..bytes.len()).any(|position| frame_payload(&bytes[position..], salt).is_some())
}

/// Indices must follow each other without a gap, terms must not fall.
fn check_sequence(
    path: &Path,
    purged: Option<&LogId>,
    entries: &[Entry],
) -> Result<(), StorageError> {
    let mut previous = purged.copied();
    for entry in entries {
        let log_id = entry.log_id;
        if let Some(previous) = previous {
            let follows = previous.index.checked_add(1) == Some(log_id.index);
            if !follows || log_id.leader_id < previous.leader_id {
                let reason = format!("entry {log_id} behind {previous}");
                return Err(StorageError::corrupt(path, 0, reason));
            }
        }
        previous = Some(log_id);
    }
    Ok(())
}
