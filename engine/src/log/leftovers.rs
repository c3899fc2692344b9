//! Tidies a partition directory before its segments are loaded: files waiting for removal, and
//! replacements of segments (compaction, splitting) that a crash interrupted. Also reads
//! directories Kafka left that way. (Kafka `LogLoader.load`.)

use std::path::Path;

use crate::error::EngineError;
use crate::io::{Access, Disk, block_on_ready};
use crate::segment::{
    CLEANED_SUFFIX, DELETED_SUFFIX, FileKind, HeaderReader, SWAP_SUFFIX, segment_file_name,
};

const TEMPORARY_SUFFIX: &str = ".tmp";

/// Removes and renames as needed; afterwards only plain files are left.
pub(crate) fn tidy_directory<D: Disk>(disk: &D, dir: &Path) -> Result<Vec<String>, EngineError> {
    let names = list_files(disk, dir)?;
    let is_plain = |name: &String| {
        ![
            DELETED_SUFFIX,
            CLEANED_SUFFIX,
            SWAP_SUFFIX,
            TEMPORARY_SUFFIX,
        ]
        .iter()
        .any(|suffix| name.ends_with(suffix))
    };
    if names.iter().all(is_plain) {
        return Ok(names);
    }
    let cleaned_from = names
        .iter()
        .filter_map(|name| parse_with_suffix(name, CLEANED_SUFFIX))
        .map(|(_, offset)| offset)
        .min()
        .unwrap_or(i64::MAX);
    for name in names.iter().filter(|name| !is_plain(name)) {
        let is_kept =
            parse_with_suffix(name, SWAP_SUFFIX).is_some_and(|(_, offset)| offset < cleaned_from);
        if !is_kept {
            remove(disk, &dir.join(name))?;
        }
    }
    finish_swaps(disk, dir)?;
    disk.sync_dir(dir)
        .map_err(|source| EngineError::io("sync", dir, source))?;
    list_files(disk, dir)
}

fn list_files<D: Disk>(disk: &D, dir: &Path) -> Result<Vec<String>, EngineError> {
    let entries = disk
        .list(dir)
        .map_err(|source| EngineError::io("list", dir, source))?;
    Ok(entries
        .into_iter()
        .filter(|entry| !entry.is_dir)
        .map(|entry| entry.name)
        .collect())
}

fn remove<D: Disk>(disk: &D, path: &Path) -> Result<(), EngineError> {
    disk.remove_file_if_present(path)
        .map_err(|source| EngineError::io("remove", path, source))
}

fn parse_with_suffix(name: &str, suffix: &str) -> Option<(FileKind, i64)> {
    FileKind::parse(name.strip_suffix(suffix)?)
}

/// Puts complete replacements in the place of the segments they replace.
fn finish_swaps<D: Disk>(disk: &D, dir: &Path) -> Result<(), EngineError> {
    let names = list_files(disk, dir)?;
    let swaps: Vec<_> = names
        .iter()
        .filter_map(|name| Some((name, parse_with_suffix(name, SWAP_SUFFIX)?)))
        .collect();
    // All of them are of one replacement, so everything between the first and the last goes.
    let mut range: Option<(i64, i64)> = None;
    for (name, (kind, base_offset)) in &swaps {
        if *kind == FileKind::Log {
            let last = last_offset(disk, &dir.join(name), *base_offset)?;
            let (low, high) = range.unwrap_or((*base_offset, last));
            range = Some((low.min(*base_offset), high.max(last)));
        }
    }
    for (kind, base_offset) in names.iter().filter_map(|name| FileKind::parse(name)) {
        // Producer snapshots hold for any content of the segments around them.
        let is_replaced = kind != FileKind::Snapshot
            && range.is_some_and(|(low, high)| (low..=high).contains(&base_offset));
        if is_replaced {
            remove(disk, &dir.join(segment_file_name(base_offset, kind)))?;
        }
    }
    for (name, (kind, base_offset)) in swaps {
        let (from, to) = (
            dir.join(name),
            dir.join(segment_file_name(base_offset, kind)),
        );
        disk.rename(&from, &to)
            .map_err(|source| EngineError::io("rename", &from, source))?;
    }
    Ok(())
}

fn last_offset<D: Disk>(disk: &D, path: &Path, base_offset: i64) -> Result<i64, EngineError> {
    let io = |source| EngineError::io("read", path, source);
    let file = disk.open(path).map_err(io)?;
    let bytes = disk.file_bytes(&file).map_err(io)?;
    let mut headers = HeaderReader::new(Access::Blocking, disk, &file, base_offset, bytes);
    let (mut position, mut last) = (0, base_offset);
    while let Some(place) = block_on_ready(headers.at(position))
        .map_err(|error| EngineError::corrupt(path, error.to_string()))?
    {
        last = place.header.last_offset();
        position = place.end();
    }
    Ok(last)
}
