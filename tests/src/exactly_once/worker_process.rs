//! A worker process as the campaign sees it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

use crate::exactly_once::WorkerOptions;

/// What all workers together have said.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    /// Transactions committed.
    pub(super) committed: u64,
    /// Transactions aborted as planned.
    pub(super) aborted: u64,
    /// Transactions aborted because of an error.
    pub(super) failed: u64,
    /// Workers that ended because their producer could do nothing any more.
    pub(super) fatal: u64,
}

/// A running process. Killed when dropped.
#[derive(Debug)]
pub(super) struct WorkerProcess {
    child: Child,
}

impl WorkerProcess {
    /// Starts `binary worker`; what it says is added to `tally` and, with its errors, to the file
    /// `log`.
    pub(super) fn start(
        binary: &Path,
        options: &WorkerOptions,
        tally: &Arc<Mutex<Tally>>,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        let mut child = Command::new(binary)
            .arg("worker")
            .args(options.to_args())
            // A report has the last lines of what a worker says: its error, not its stack.
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file.try_clone()?)
            .spawn()
            .with_context(|| format!("starting {}", binary.display()))?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let tally = Arc::clone(tally);
        std::thread::spawn(move || listen(BufReader::new(stdout), &tally, file));
        Ok(Self { child })
    }

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub(super) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        Ok(kill_process(pid.context("a process id")?, signal)?)
    }

    /// Kills it without warning.
    pub(super) fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end after the transaction at hand.
    pub(super) fn ask_to_stop(&mut self) {
        drop(self.child.stdin.take());
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // Both fail when it has ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn listen(stdout: impl BufRead, tally: &Mutex<Tally>, mut log: File) {
    use std::io::Write;
    for line in stdout.lines().map_while(Result::ok) {
        // The log only helps to understand a failure.
        drop(writeln!(log, "{line}"));
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        let count = match line.split(' ').next() {
            Some("committed") => &mut tally.committed,
            Some("aborted") => &mut tally.aborted,
            Some("failed") => &mut tally.failed,
            Some("fatal") => &mut tally.fatal,
            _ => continue,
        };
        *count += 1;
    }
}
