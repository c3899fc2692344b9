//! What an interrupted run must not leave behind: processes that it started and directories that it
//! made, which hold gigabytes. Dropping ends and removes them; a signal ends a process without
//! dropping anything, so signals are waited for and do the same.

use std::io::{self, Read};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use tokio::signal::unix::{SignalKind, signal};

/// How a shell tells that a signal ended a program.
const SIGNALLED: u8 = 128;
/// Other threads may still be making files: so often is a directory removed that fills up
/// meanwhile.
const REMOVALS_MAX: u32 = 100;

static LEFT: Mutex<Left> = Mutex::new(Left {
    processes: Vec::new(),
    dirs: Vec::new(),
});

/// What there is now.
struct Left {
    processes: Vec<Pid>,
    dirs: Vec<PathBuf>,
}

fn left() -> MutexGuard<'static, Left> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A directory with a name of its own, removed with all that is in it when dropped or when the
/// program is interrupted.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes one in `parent`.
    ///
    /// # Errors
    /// As the operating system says.
    pub(crate) fn new_in(parent: &Path) -> io::Result<Self> {
        let mut left = left();
        let path = tempfile::tempdir_in(parent)?.keep();
        left.dirs.push(path.clone());
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.path);
        left().dirs.retain(|dir| *dir != self.path);
    }
}

/// A process of ours, killed when dropped or when the program is interrupted.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts one.
    ///
    /// # Errors
    /// As the operating system says.
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        let mut left = left();
        let child = command.spawn()?;
        left.processes.push(Pid::from_child(&child));
        Ok(Self { child })
    }
}

/// Runs a program to its end, killed when this one is interrupted. Returns what it wrote to stdout,
/// and to stderr if that is piped.
///
/// # Errors
/// As the operating system says.
pub(crate) fn output(command: &mut Command) -> io::Result<Output> {
    let mut process = Process::start(command.stdout(Stdio::piped()))?;
    let (stdout, stderr) = (process.stdout.take(), process.stderr.take());
    // Side by side: a program that fills one pipe waits for its reader.
    let (stdout, stderr) = std::thread::scope(|scope| {
        let stderr = scope.spawn(|| read(stderr));
        (read(stdout), stderr.join())
    });
    let panicked = |_| io::Error::other("the reader of stderr panicked");
    Ok(Output {
        stdout: stdout?,
        stderr: stderr.map_err(panicked)??,
        status: process.wait()?,
    })
}

fn read(pipe: Option<impl Read>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

impl Deref for Process {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.child
    }
}

impl DerefMut for Process {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail when it has been waited for.
        drop(self.child.kill());
        drop(self.child.wait());
        let own = Pid::from_child(&self.child);
        left().processes.retain(|pid| *pid != own);
    }
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

/// Ends the program, as a signal does, when those who read what it prints are gone (`| head`).
pub(crate) fn end_without_reader() -> ! {
    clean_up();
    std::process::exit(i32::from(SIGNALLED) + Signal::PIPE.as_raw())
}

/// Kills the processes and waits for their ends, then removes the directories.
fn clean_up() {
    let left = left();
    for pid in &left.processes {
        let _unless_it_was_waited_for = rustix::process::kill_process(*pid, Signal::KILL);
    }
    for pid in &left.processes {
        // Who owns it may wait for it, too.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let _unless_it_was_waited_for = rustix::process::waitid(WaitId::Pid(*pid), options);
    }
    left.dirs.iter().for_each(|dir| remove(dir));
    // Never given back: who makes or drops something from now on waits for the end.
    std::mem::forget(left);
}

fn remove(dir: &Path) {
    for tries in 1..=REMOVALS_MAX {
        match std::fs::remove_dir_all(dir) {
            Ok(()) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) if tries == REMOVALS_MAX => {
                eprintln!("cannot remove {}: {error}", dir.display());
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_outputs_are_read_to_their_ends() {
        // More than a pipe holds, first where nobody might read.
        let script = "head -c 300000 /dev/zero >&2; head -c 200000 /dev/zero; exit 3";
        let mut command = Command::new("sh");
        command.args(["-c", script]).stderr(Stdio::piped());
        let output = output(&mut command).unwrap();
        assert_eq!(
            (output.stdout.len(), output.stderr.len()),
            (200_000, 300_000)
        );
        assert_eq!(output.status.code(), Some(3));
    }
}
