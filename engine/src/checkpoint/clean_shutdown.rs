//! `.kafka_cleanshutdown`: its presence says that every log of the dir was closed without error.
//! Removed before the logs are loaded, written last at shutdown. (Kafka
//! `CleanShutdownFileHandler`.)

use std::path::{Path, PathBuf};

use crate::error::EngineError;
use crate::io::Disk;

const FILE_NAME: &str = ".kafka_cleanshutdown";
/// The broker epoch of a controller that counts none.
const CONTENT: &str = "{\"version\":0,\"brokerEpoch\":-1}";

/// The marker of one log dir.
#[derive(Debug)]
pub(crate) struct CleanShutdownMarker {
    dir: PathBuf,
    path: PathBuf,
}

impl CleanShutdownMarker {
    /// The marker of this dir, whether it exists or not.
    pub(crate) fn of(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            path: dir.join(FILE_NAME),
        }
    }

    /// Whether the last shutdown was clean. Removes the marker durably, so that a crash from now on
    /// is not taken for a clean shutdown.
    ///
    /// # Errors
    /// When the marker cannot be removed.
    pub(crate) fn take<D: Disk>(&self, disk: &D) -> Result<bool, EngineError> {
        match disk.remove_file(&self.path) {
            Ok(()) => {
                disk.sync_dir(&self.dir)
                    .map_err(|source| EngineError::io("sync", &self.dir, source))?;
                Ok(true)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(EngineError::io("remove", &self.path, source)),
        }
    }

    /// Writes the marker durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write<D: Disk>(&self, disk: &D) -> Result<(), EngineError> {
        disk.replace_file(&self.path, CONTENT.as_bytes())
            .map_err(|source| EngineError::io("replace", &self.path, source))
    }
}
