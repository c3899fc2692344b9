//! Why a round of compaction ended early. The log is sound whatever the reason: segments whose
//! replacement was complete are replaced, the others are as they were.

use std::io;
use std::path::{Path, PathBuf};

use ringbrook_record::RecordError;

use crate::error::EngineError;

/// The answer of a [`super::Pace`] that ends the round: the broker shuts down, the log is deleted
/// or moved, or compaction of it was turned off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cleaning was stopped")]
pub(crate) struct Stopped;

/// A round that ended early.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub(crate) struct CleanError {
    /// Why.
    #[source]
    pub(crate) problem: CleanProblem,
    /// Files of segments that were replaced before, to be removed later.
    pub(crate) renamed: Vec<PathBuf>,
}

impl CleanError {
    /// Whether a later round may succeed without anybody's help. Otherwise the log would fail the
    /// same way again.
    pub(crate) fn is_transient(&self) -> bool {
        match &self.problem {
            CleanProblem::Stopped(_) => true,
            CleanProblem::Engine(error) => {
                is_no_space(error)
                    || matches!(
                        error,
                        EngineError::LogGone { .. } | EngineError::SegmentsChanged { .. }
                    )
            }
            CleanProblem::Damaged { .. } | CleanProblem::OffsetMapTooSmall { .. } => false,
        }
    }
}

/// Why a round ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CleanProblem {
    /// It was asked to.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// A batch is not what was written: it must neither be dropped nor be given a new CRC.
    #[error("{} is damaged at byte {position}: {problem}", path.display())]
    Damaged {
        /// The segment file.
        path: PathBuf,
        /// Where the batch starts.
        position: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// The first batch to be cleaned has more keys than the map has room for.
    #[error("the batch at offset {offset} has more keys than the {keys_max} the offset map takes")]
    OffsetMapTooSmall {
        /// The first offset that is not cleaned.
        offset: i64,
        /// Most keys in the map.
        keys_max: usize,
    },
    /// A file operation failed, or the log is not what it was.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl CleanProblem {
    /// A batch that cannot be read, with all the error has to say.
    pub(super) fn damaged(path: &Path, position: u64, error: &RecordError) -> Self {
        let mut problem = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            problem = format!("{problem}: {cause}");
            source = cause.source();
        }
        Self::Damaged {
            path: path.to_owned(),
            position,
            problem,
        }
    }
}

/// Whether the filesystem is full, which is over when files were removed.
pub(super) fn is_no_space(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull
    )
}
