//! Puts together from batch headers what is only kept in memory or in small files: producer state
//! and leader epochs. Blocks; called when a log is opened.

use std::io;
use std::path::Path;
use std::sync::Arc;

use ringbrook_record::{Batch, BatchHeader, HEADER_BYTES};

use super::leader_epoch::LeaderEpochs;
use super::open::{LoadedSegments, OpenHints};
use super::producer_snapshot::{decode_snapshot, encode_snapshot};
use super::producer_state::ProducerState;
use super::validate::read_marker;
use crate::checkpoint::FILE_BYTES_MAX;
use crate::error::{EngineError, ReadError};
use crate::io::{Access, Disk, block_on_ready};
use crate::segment::{BatchPlace, FileKind, HeaderReader, Segment, segment_file_name};

/// Largest control batch that is looked into.
const CONTROL_BATCH_BYTES_MAX: usize = 1 << 20;

/// The batch header at a position, `None` when there is none.
pub(crate) fn read_header<D: Disk>(
    disk: &D,
    file: &D::File,
    position: u64,
) -> io::Result<Option<BatchHeader>> {
    let mut bytes = [0; HEADER_BYTES];
    let read = disk.read_at(file, &mut bytes, position)?;
    Ok(BatchHeader::parse(&bytes[..read]).ok())
}

fn unreadable(path: &Path, error: ReadError) -> EngineError {
    match error {
        ReadError::Io(source) => EngineError::io("read", path, source),
        other => EngineError::corrupt(path, other.to_string()),
    }
}

/// Calls `visit` for each batch of a segment whose last offset is not below `from`.
fn walk<D: Disk>(
    disk: &D,
    dir: &Path,
    segment: &Segment<D>,
    from: i64,
    mut visit: impl FnMut(&Arc<D::File>, &BatchPlace) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    if segment.bytes() == 0 {
        return Ok(());
    }
    let path = dir.join(segment_file_name(segment.base_offset(), FileKind::Log));
    let io = |source| EngineError::io("read", &path, source);
    let file = disk.open(&path).map_err(io)?;
    let start = segment.floor_position(Access::Blocking, disk, dir, from);
    let mut position = block_on_ready(start).map_err(io)?;
    let base_offset = segment.base_offset();
    let mut headers =
        HeaderReader::new(Access::Blocking, disk, &file, base_offset, segment.bytes());
    while let Some(place) =
        block_on_ready(headers.find(position, from)).map_err(|error| unreadable(&path, error))?
    {
        visit(&file, &place)?;
        position = place.end();
    }
    Ok(())
}

/// The leader epochs of all batches.
///
/// # Errors
/// When a segment cannot be read.
pub(crate) fn walk_epochs<D: Disk>(
    disk: &D,
    dir: &Path,
    segments: &[Arc<Segment<D>>],
) -> Result<LeaderEpochs, EngineError> {
    let mut epochs = LeaderEpochs::default();
    for segment in segments {
        walk(disk, dir, segment, segment.base_offset(), |_, place| {
            epochs.assign(
                place.header.partition_leader_epoch,
                place.header.base_offset,
            );
            Ok(())
        })?;
    }
    Ok(epochs)
}

/// Producer state with the snapshots there are.
pub(crate) struct LoadedProducers {
    pub(crate) state: ProducerState,
    /// Snapshots are left in the directory.
    pub(crate) has_snapshots: bool,
    /// The newest snapshot, when it is not at a segment's base offset.
    pub(crate) mark_snapshot: Option<i64>,
}

/// Producer state at the end of the log, and whether snapshots are left in the directory: the
/// newest usable snapshot plus the batches after it. Fills the transaction indices of recovered
/// segments on the way, so then it starts below the first of them.
///
/// After a clean shutdown without any snapshot there are no producers: closing writes one else.
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn load_producers<D: Disk>(
    disk: &D,
    dir: &Path,
    files: &[(FileKind, i64)],
    loaded: &LoadedSegments<D>,
    hints: &OpenHints,
) -> Result<LoadedProducers, EngineError> {
    let limit = match loaded.recovered.first() {
        Some(recovered) => recovered.from,
        None => loaded.next_offset,
    };
    // After a crash a snapshot above the recovery point may tell of batches that are gone.
    let first_base = loaded
        .segments
        .first()
        .map_or(0, |first| first.base_offset());
    let limit = if hints.is_clean {
        limit
    } else {
        limit.min(hints.recovery_point.max(first_base))
    };
    let mut offsets: Vec<i64> = files
        .iter()
        .filter(|(kind, _)| *kind == FileKind::Snapshot)
        .map(|(_, offset)| *offset)
        .collect();
    offsets.sort_unstable();
    let is_mark = |offset: i64| {
        !loaded
            .segments
            .iter()
            .any(|segment| segment.base_offset() == offset)
    };
    let is_stray = |offset: i64, newest: Option<i64>| {
        loaded.next_offset < offset || (Some(offset) != newest && is_mark(offset))
    };
    // One below the first segment misses the batches in between, which are gone.
    let is_usable = |offset: &i64| (first_base..=limit).contains(offset);
    let newest = offsets.iter().copied().rfind(is_usable);
    for offset in offsets
        .iter()
        .copied()
        .filter(|offset| is_stray(*offset, newest))
    {
        remove_snapshot(disk, dir, offset)?;
    }
    offsets.retain(|offset| !is_stray(*offset, newest));
    let mut start = None;
    for offset in offsets.iter().copied().filter(is_usable).rev() {
        if let Some(state) = read_snapshot(disk, dir, offset)? {
            start = Some((state, offset));
            break;
        }
        remove_snapshot(disk, dir, offset)?;
    }
    let has_snapshots = !offsets.is_empty();
    let mark_snapshot = newest.filter(|offset| is_mark(*offset));
    let (mut state, from) = match start {
        Some(start) => start,
        None if hints.is_clean && loaded.recovered.is_empty() => {
            return Ok(LoadedProducers {
                state: ProducerState::default(),
                has_snapshots,
                mark_snapshot,
            });
        }
        None => (ProducerState::default(), 0),
    };
    replay(disk, dir, loaded, from, hints, &mut state)?;
    state.expire(hints.now_ms, hints.producer_id_expiration_ms);
    Ok(LoadedProducers {
        state,
        has_snapshots,
        mark_snapshot,
    })
}

fn read_snapshot<D: Disk>(
    disk: &D,
    dir: &Path,
    offset: i64,
) -> Result<Option<ProducerState>, EngineError> {
    let path = dir.join(segment_file_name(offset, FileKind::Snapshot));
    let content = match disk.read_file(&path, FILE_BYTES_MAX) {
        Ok(content) => content.unwrap_or_default(),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(None),
        Err(source) => return Err(EngineError::io("read", &path, source)),
    };
    let state = decode_snapshot(&content);
    if state.is_none() {
        tracing::warn!(file = %path.display(), "a damaged producer snapshot is removed");
    }
    Ok(state)
}

fn write_snapshot<D: Disk>(
    disk: &D,
    dir: &Path,
    offset: i64,
    state: &ProducerState,
) -> Result<(), EngineError> {
    let path = dir.join(segment_file_name(offset, FileKind::Snapshot));
    let write = || {
        let file = disk.create(&path)?;
        disk.write_all_at(&file, &encode_snapshot(state), 0)
    };
    write().map_err(|source| EngineError::io("write", &path, source))
}

/// Makes sure that the producers' state below `offset` is in a snapshot, of which only the segments
/// `below` it can tell any more: crashes may have taken the one that was written when it began.
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn ensure_snapshot<D: Disk>(
    disk: &D,
    dir: &Path,
    below: &[Arc<Segment<D>>],
    offset: i64,
) -> Result<(), EngineError> {
    if read_snapshot(disk, dir, offset)?.is_some() {
        return Ok(());
    }
    let (mut state, mut from) = (ProducerState::default(), 0);
    for segment in below.iter().rev() {
        if let Some(found) = read_snapshot(disk, dir, segment.base_offset())? {
            (state, from) = (found, segment.base_offset());
            break;
        }
    }
    for segment in below {
        walk(disk, dir, segment, from, |file, place| {
            state.apply(&place.header, marker_of(disk, file, place, dir)?.as_ref());
            Ok(())
        })?;
    }
    write_snapshot(disk, dir, offset, &state)
}

/// Producer state of `segments`, which end at `end`, from the newest snapshot and the batches after
/// it.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn producers_below<D: Disk>(
    disk: &D,
    dir: &Path,
    segments: &[Arc<Segment<D>>],
    end: i64,
) -> Result<ProducerState, EngineError> {
    let entries = disk
        .list(dir)
        .map_err(|source| EngineError::io("list", dir, source))?;
    let names = entries.iter().filter_map(|it| FileKind::parse(&it.name));
    // One below the first segment misses the batches in between, which are gone.
    let usable = segments.first().map_or(0, |first| first.base_offset())..=end;
    let snapshots =
        names.filter(|(kind, offset)| *kind == FileKind::Snapshot && usable.contains(offset));
    let mut offsets: Vec<i64> = snapshots.map(|(_, offset)| offset).collect();
    offsets.sort_unstable();
    let (mut state, mut from) = (ProducerState::default(), 0);
    for offset in offsets.into_iter().rev() {
        if let Some(found) = read_snapshot(disk, dir, offset)? {
            (state, from) = (found, offset);
            break;
        }
    }
    for segment in segments {
        walk(disk, dir, segment, from, |file, place| {
            state.apply(&place.header, marker_of(disk, file, place, dir)?.as_ref());
            Ok(())
        })?;
    }
    Ok(state)
}

fn remove_snapshot<D: Disk>(disk: &D, dir: &Path, offset: i64) -> Result<(), EngineError> {
    let path = dir.join(segment_file_name(offset, FileKind::Snapshot));
    disk.remove_file_if_present(&path)
        .map_err(|source| EngineError::io("remove", &path, source))
}

fn replay<D: Disk>(
    disk: &D,
    dir: &Path,
    loaded: &LoadedSegments<D>,
    from: i64,
    hints: &OpenHints,
    state: &mut ProducerState,
) -> Result<(), EngineError> {
    for (index, segment) in loaded.segments.iter().enumerate() {
        let end = loaded
            .segments
            .get(index + 1)
            .map_or(loaded.next_offset, |s| s.base_offset());
        if end <= from {
            continue;
        }
        if !hints.is_clean && from < segment.base_offset() {
            // The one that is there may tell of batches that the crash took, or be torn.
            write_snapshot(disk, dir, segment.base_offset(), state)?;
        }
        let recovered = loaded
            .recovered
            .iter()
            .find(|known| Arc::ptr_eq(&known.segment, segment));
        let mut aborted_bytes = Vec::new();
        let kept_bytes = segment.indexes().txn.file_bytes();
        walk(disk, dir, segment, from, |file, place| {
            let marker = marker_of(disk, file, place, dir)?;
            let aborted = state.apply(&place.header, marker.as_ref());
            // By position: what lies before was not checked, and its offsets may say anything.
            if let Some(aborted) = aborted
                && recovered.is_some_and(|known| known.from_bytes <= place.position)
            {
                aborted.encode(&mut aborted_bytes);
                segment.indexes().txn.push(aborted);
            }
            Ok(())
        })?;
        if let Some(known) = recovered {
            let must_sync = known.from < hints.recovery_point;
            let path = dir.join(segment_file_name(segment.base_offset(), FileKind::TxnIndex));
            let write = || match (known.from_bytes, aborted_bytes.is_empty()) {
                // The file that is there is of before the crash.
                (0, true) => disk.remove_file_if_present(&path),
                (0, false) => disk.replace_file(&path, &aborted_bytes),
                (_, true) => Ok(()),
                (_, false) => add_to_file(disk, &path, &aborted_bytes, kept_bytes, must_sync),
            };
            write().map_err(|source| EngineError::io("write", &path, source))?;
        }
    }
    Ok(())
}

/// Writes `bytes` behind the first `kept_bytes` of a file that is created when there are none.
fn add_to_file<D: Disk>(
    disk: &D,
    path: &Path,
    bytes: &[u8],
    kept_bytes: u64,
    must_sync: bool,
) -> io::Result<()> {
    let file = if kept_bytes == 0 {
        disk.create(path)?
    } else {
        disk.open(path)?
    };
    disk.write_all_at(&file, bytes, kept_bytes)?;
    // The next unclean open trusts what is below the recovery point.
    if must_sync {
        disk.sync(&file)?;
        path.parent().map_or(Ok(()), |dir| disk.sync_dir(dir))?;
    }
    Ok(())
}

fn marker_of<D: Disk>(
    disk: &D,
    file: &D::File,
    place: &BatchPlace,
    path: &Path,
) -> Result<Option<ringbrook_record::EndTransactionMarker>, EngineError> {
    let bytes = place.header.size_bytes();
    if !place.header.attributes.is_control() || CONTROL_BATCH_BYTES_MAX < bytes {
        return Ok(None);
    }
    let mut buf = vec![0; bytes];
    let read = disk
        .read_at(file, &mut buf, place.position)
        .map_err(|source| EngineError::io("read", path, source))?;
    Batch::parse(&buf[..read])
        .and_then(|batch| read_marker(&batch))
        .map_err(|source| EngineError::CorruptRecords {
            path: path.to_owned(),
            position: place.position,
            source,
        })
}
