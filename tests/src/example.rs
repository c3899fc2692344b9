//! The client's examples as processes: started with arguments, watched, interrupted.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::cargo;
use crate::process::wait_until;

/// How long an example may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// A running example of ringbrook-client. Killed when dropped.
#[derive(Debug)]
pub struct Example {
    name: String,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Example {
    /// The names of all examples, by their files.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn names() -> anyhow::Result<Vec<String>> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/examples");
        let mut names = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            let name = path.file_stem().and_then(|name| name.to_str());
            names.push(name.context("a name")?.to_owned());
        }
        names.sort();
        Ok(names)
    }

    /// Starts an example; all are built before the first.
    ///
    /// # Errors
    /// They do not build, or there is none of this name.
    pub fn start(name: &str, args: &[&str]) -> anyhow::Result<Self> {
        let mut child = Command::new(dir()?.join(name))
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("example {name} does not start"))?;
        let lines = Arc::default();
        collect(child.stdout.take().context("stdout is piped")?, &lines);
        collect(child.stderr.take().context("stderr is piped")?, &lines);
        Ok(Self {
            name: name.to_owned(),
            child,
            lines,
        })
    }

    /// Runs an example to its end, which has to be a success; returns what it printed.
    ///
    /// # Errors
    /// It fails, or does not end in time.
    pub fn run(name: &str, args: &[&str]) -> anyhow::Result<Vec<String>> {
        Self::start(name, args)?.finish()
    }

    /// What it has printed so far, to both outputs.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let lines = self.lines.lock();
        lines.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it has printed so many lines that contain `text`.
    ///
    /// # Errors
    /// It does not in time.
    pub fn wait_for(&self, count: usize, text: &str) -> anyhow::Result<()> {
        let is_there = || count <= self.lines().iter().filter(|it| it.contains(text)).count();
        ensure!(
            wait_until(DEADLINE, is_there),
            "{} does not print \"{text}\" {count} times: {:#?}",
            self.name,
            self.lines()
        );
        Ok(())
    }

    /// As with Ctrl-C.
    ///
    /// # Errors
    /// The process cannot be signalled.
    pub fn interrupt(&self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("a process id")?, Signal::INT)?;
        Ok(())
    }

    /// Waits for its end, which has to be a success; returns what it printed.
    ///
    /// # Errors
    /// It fails, or does not end in time.
    pub fn finish(mut self) -> anyhow::Result<Vec<String>> {
        let mut status: Option<ExitStatus> = None;
        wait_until(DEADLINE, || {
            status = self.child.try_wait().ok().flatten();
            // Both readers end with the process.
            status.is_some() && Arc::strong_count(&self.lines) == 1
        });
        let (name, lines) = (&self.name, self.lines());
        let status = status.with_context(|| format!("{name} does not end: {lines:#?}"))?;
        ensure!(status.success(), "{name} ends with {status}: {lines:#?}");
        Ok(lines)
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // Both fail when it has ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn collect(from: impl Read + Send + 'static, into: &Arc<Mutex<Vec<String>>>) {
    let into = Arc::clone(into);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            into.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line);
        }
    });
}

fn dir() -> anyhow::Result<&'static Path> {
    static DIR: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = DIR.get_or_init(|| {
        let built = cargo::build(&["--package", "ringbrook-client", "--examples"]);
        let dir = built.map(|profile| profile.join("examples"));
        dir.map_err(|error| format!("{error:#}"))
    });
    built.as_deref().map_err(|error| anyhow::anyhow!("{error}"))
}
