//! What an interrupted run must not leave behind: servers that it started and directories that it
//! made, which hold gigabytes. Dropping ends and removes them; a signal ends a process without
//! dropping anything, so signals are waited for and do the same.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

/// How a shell tells that a signal ended a program.
const SIGNALLED: u8 = 128;
/// A server that was killed may still be writing: so often is a directory removed that fills up
/// meanwhile.
const REMOVALS_MAX: u32 = 100;

static LEFT: Mutex<Left> = Mutex::new(Left {
    servers: Vec::new(),
    dirs: Vec::new(),
});

/// What there is now.
struct Left {
    servers: Vec<u32>,
    dirs: Vec<PathBuf>,
}

fn left() -> MutexGuard<'static, Left> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A directory with a name of its own, removed with all that is in it when dropped or when the
/// program is interrupted.
#[derive(Debug)]
pub(crate) struct Scratch {
    dir: TempDir,
}

impl Scratch {
    /// Makes one in `parent`.
    ///
    /// # Errors
    /// As the operating system says.
    pub(crate) fn new_in(parent: &Path) -> io::Result<Self> {
        let dir = tempfile::tempdir_in(parent)?;
        left().dirs.push(dir.path().to_owned());
        Ok(Self { dir })
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        left().dirs.retain(|dir| dir != self.dir.path());
    }
}

/// A server runs that has to be killed when the program is interrupted, until [`server_ended`].
pub(crate) fn server_started(pid: u32) {
    left().servers.push(pid);
}

/// It has ended, so its number may be another's.
pub(crate) fn server_ended(pid: u32) {
    left().servers.retain(|other| *other != pid);
}

/// Runs `program` on a thread of its own. At SIGINT or SIGTERM nothing is left behind, and the exit
/// code says which of them it was.
///
/// # Errors
/// Those of `program`; or signals cannot be waited for.
pub(crate) fn unless_interrupted(
    program: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let mut interrupts = signal(SignalKind::interrupt())?;
        let mut terminations = signal(SignalKind::terminate())?;
        let (sender, ended) = tokio::sync::oneshot::channel();
        std::thread::Builder::new()
            .name("main".to_owned())
            .spawn(move || sender.send(program()))?;
        let by = tokio::select! {
            result = ended => {
                result.map_err(|_| anyhow::anyhow!("the program panicked"))??;
                return Ok(ExitCode::SUCCESS);
            }
            _ = interrupts.recv() => SignalKind::interrupt(),
            _ = terminations.recv() => SignalKind::terminate(),
        };
        clean_up();
        Ok(ExitCode::from(SIGNALLED + u8::try_from(by.as_raw_value())?))
    })
}

/// Kills the servers, then removes the directories.
fn clean_up() {
    let left = left();
    for pid in &left.servers {
        if let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw) {
            let _unless_it_ended_by_itself = rustix::process::kill_process(pid, Signal::KILL);
        }
    }
    for dir in &left.dirs {
        if let Err(error) = remove(dir) {
            eprintln!("cannot remove {}: {error}", dir.display());
        }
    }
    // Never given back: who makes or drops something from now on waits for the end.
    std::mem::forget(left);
}

fn remove(dir: &Path) -> io::Result<()> {
    let mut tries = 0;
    loop {
        tries += 1;
        match std::fs::remove_dir_all(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(_) if tries < REMOVALS_MAX => {}
            result => return result,
        }
    }
}
