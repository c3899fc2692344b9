//! Why a broker does not start: one sentence each, with what to do about it.

use std::io;

use ringbrook_engine::EngineError;

use crate::controller::ControllerError;

/// See the module's documentation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartupError {
    /// The kernel gives no ring.
    #[error(
        "this kernel does not let the broker use io_uring ({0}); it needs Linux 5.15 or later with \
         io_uring permitted (see the sysctl kernel.io_uring_disabled and the container's seccomp \
         profile)"
    )]
    IoUring(#[source] io::Error),
    /// A listener's port cannot be had.
    #[error("listener {listener} cannot listen on {address}: {source}{}", hint(.source))]
    Bind {
        /// Name of the listener.
        listener: String,
        /// What it was to listen on.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// The configuration names no log dir.
    #[error("log.dirs names no directory")]
    NoLogDir,
    /// There is no metadata, but it may be in a log dir that cannot be used.
    #[error(
        "the metadata is in none of the log directories that can be used, and {} cannot: {reason}",
        dir.display()
    )]
    MetadataOffline {
        /// The directory that cannot be used.
        dir: std::path::PathBuf,
        /// Why not.
        reason: String,
    },
    /// A thread could not be started.
    #[error("a thread could not be started: {0}")]
    Thread(#[source] io::Error),
    /// A log dir or log cannot be used.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The metadata cannot be used.
    #[error(transparent)]
    Controller(#[from] ControllerError),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; another program, perhaps another broker, has that port",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need a privilege",
        io::ErrorKind::AddrNotAvailable => "; the address is not one of this machine",
        _ => "",
    }
}
