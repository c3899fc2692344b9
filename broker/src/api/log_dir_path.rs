//! How a log dir is called in requests and answers: by its absolute path, as Kafka does, also when
//! the configuration names it relative to the working directory.

use std::path::{Path, PathBuf};

/// The path that clients are told. When the working directory is gone, the configured one.
pub(super) fn absolute(dir: &Path) -> PathBuf {
    std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned())
}
