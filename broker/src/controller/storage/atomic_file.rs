//! Replacing a small file so that a crash leaves either the old or the new content.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::StorageError;

const TEMPORARY_SUFFIX: &str = ".tmp";

/// Creates the metadata directory durably and removes what an interrupted replacement left.
///
/// # Errors
/// [`StorageError::Io`].
pub(in crate::controller) fn prepare_directory(directory: &Path) -> Result<(), StorageError> {
    if !directory.is_dir() {
        fs::create_dir_all(directory).map_err(StorageError::io("create", directory))?;
        if let Some(parent) = directory.parent() {
            sync_directory(parent)?;
        }
    }
    let listing = fs::read_dir(directory).map_err(StorageError::io("list", directory))?;
    for entry in listing {
        let path = entry.map_err(StorageError::io("list", directory))?.path();
        if path.to_string_lossy().ends_with(TEMPORARY_SUFFIX) {
            fs::remove_file(&path).map_err(StorageError::io("remove", &path))?;
        }
    }
    Ok(())
}

/// Writes `parts` one after another to `path` in place of what was there. Durable on return.
///
/// # Errors
/// [`StorageError::Io`]; the old file may or may not have been replaced.
pub(super) fn replace(path: &Path, parts: &[&[u8]]) -> Result<(), StorageError> {
    let temporary = temporary_path(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&temporary)
        .map_err(StorageError::io("create", &temporary))?;
    for part in parts {
        file.write_all(part)
            .map_err(StorageError::io("write", &temporary))?;
    }
    file.sync_all()
        .map_err(StorageError::io("sync", &temporary))?;
    fs::rename(&temporary, path).map_err(StorageError::io("rename", &temporary))?;
    sync_directory(path.parent().unwrap_or(Path::new(".")))
}

/// The whole file, or `None` if there is none.
///
/// # Errors
/// [`StorageError::Io`].
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, StorageError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StorageError::io("read", path)(error)),
    }
}

fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(TEMPORARY_SUFFIX);
    PathBuf::from(name)
}

fn sync_directory(directory: &Path) -> Result<(), StorageError> {
    // A relative path of one component has the empty path as its parent.
    let directory = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    File::open(directory)
        .and_then(|opened| opened.sync_all())
        .map_err(StorageError::io("sync", directory))
}
