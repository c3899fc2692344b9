//! A run that is interrupted leaves nothing behind.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal};

const DEADLINE: Duration = Duration::from_secs(60);

/// Null servers that work on a file in `dir`.
fn servers(dir: &Path) -> anyhow::Result<usize> {
    let mut count = 0;
    for process in std::fs::read_dir("/proc")? {
        // It may be gone by now, and not everything here is a process.
        let Ok(command) = std::fs::read(process?.path().join("cmdline")) else {
            continue;
        };
        let mut words = command.split(|byte| *byte == 0).skip(1);
        let is_server = words.next() == Some(b"null-server".as_slice());
        if is_server && words.any(|word| word.starts_with(dir.as_os_str().as_bytes())) {
            count += 1;
        }
    }
    Ok(count)
}

#[expect(
    clippy::disallowed_methods,
    reason = "processes of the operating system end and begin in real time"
)]
fn wait_until(what: &str, mut is_so: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !is_so()? {
        ensure!(
            begun.elapsed() < DEADLINE,
            "{what}: not within {DEADLINE:?}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

#[test]
fn an_interrupted_run_leaves_neither_servers_nor_files() -> anyhow::Result<()> {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let dir = tempfile::tempdir()?;
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringbrook-bench"))
            .args(["run", "produce-one-record", "--calibrate", "--rounds", "1"])
            .args(["--seconds", "600", "--gib", "1"])
            .args(["--server-cpu", "0", "--client-cpu", "0", "--dir"])
            .arg(dir.path())
            .spawn()?;
        wait_until("a server runs", || {
            ensure!(child.try_wait()?.is_none(), "it ended too early");
            Ok(servers(dir.path())? == 1)
        })?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        rustix::process::kill_process(pid.context("a pid")?, signal)?;
        assert_eq!(child.wait()?.code(), Some(code));
        wait_until("the server is killed", || Ok(servers(dir.path())? == 0))?;
        assert_eq!(std::fs::read_dir(dir.path())?.count(), 0);
    }
    Ok(())
}
