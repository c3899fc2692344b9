//! Server processes: started pinned to a core, measured by what the kernel accounts to them.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal};
use rustix::thread::CpuSet;

use crate::interrupt::Process;

/// A server that runs, whoever started it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Its process.
    pub(crate) pid: u32,
}

impl Served {
    /// CPU time of all threads of the process so far, kernel workers of its rings included.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        cpu_seconds(&self.pid.to_string())
    }
}

/// A server under load; killed when dropped.
pub(crate) struct Server {
    child: Process,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// From the start of the process to its first line of output.
    pub(crate) started_in: Duration,
}

impl Server {
    /// Starts `command`, on `cpu` if given. The first line of its output has to hold
    /// `127.0.0.1:port`.
    pub(crate) fn start(command: &mut Command, cpu: Option<usize>) -> anyhow::Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .env("RUST_LOG", "warn");
        let begin = now();
        let child = on_cpu(cpu, || Ok(Process::start(command)?));
        let mut child = child.with_context(|| format!("cannot start {command:?}"))?;
        let stdout = child.stdout.take();
        let mut server = Self::of_child(child, SocketAddr::from(([0; 4], 0)));
        let mut line = String::new();
        BufReader::new(stdout.context("stdout is piped")?).read_line(&mut line)?;
        server.started_in = begin.elapsed();
        server.address = address_in(&line).with_context(|| format!("no address in {line:?}"))?;
        Ok(server)
    }

    /// A child that is known to listen at `address`; it took as long as nobody counted.
    pub(crate) fn of_child(child: Process, address: SocketAddr) -> Self {
        Self {
            child,
            address,
            started_in: Duration::ZERO,
        }
    }

    /// Whether the process is gone.
    pub(crate) fn has_ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// CPU time of all threads of the process so far, kernel workers of its rings included.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        self.served().cpu_seconds()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// For those who do not care who started it.
    pub(crate) fn served(&self) -> Served {
        Served {
            address: self.address,
            pid: self.pid(),
        }
    }

    /// Resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> anyhow::Result<u64> {
        resident_bytes(self.pid())
    }

    /// Asks the server to stop and waits for it.
    ///
    /// # Errors
    /// It did not exit with success.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        rustix::process::kill_process(pid.context("a pid")?, Signal::TERM)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "the server stopped with {status}");
        Ok(())
    }
}

/// The address that a server's first line names: `... PLAINTEXT://127.0.0.1:9092; ...`.
fn address_in(line: &str) -> Option<SocketAddr> {
    line.split([' ', ',', ';', '/', '\n'])
        .find_map(|word| word.parse().ok())
}

/// Resident memory of a process in bytes.
pub(crate) fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("VmRSS")?;
    let kib = line.split_whitespace().next().context("a number")?;
    Ok(kib.parse::<u64>()? * 1024)
}

/// CPU seconds of a process since its start, in user mode and in the kernel; ended threads count.
/// `process` is a directory of `/proc`, so `self` is this process.
pub(crate) fn cpu_seconds(process: &str) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // Fields 14 and 15, counted behind the command name, which may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("stat has a command name")?;
    let ticks: Vec<u32> = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map_while(|field| field.parse().ok())
        .collect();
    ensure!(ticks.len() == 2, "stat has CPU times");
    let ticks_per_s = u32::try_from(rustix::param::clock_ticks_per_second())?;
    Ok(f64::from(ticks.iter().sum::<u32>()) / f64::from(ticks_per_s))
}

/// Runs `action` with this thread on `cpu`: threads and processes that it starts stay there.
pub(crate) fn on_cpu<T>(
    cpu: Option<usize>,
    action: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let Some(cpu) = cpu else {
        return action();
    };
    let before = rustix::thread::sched_getaffinity(None)?;
    pin(cpu)?;
    let result = action();
    rustix::thread::sched_setaffinity(None, &before)?;
    result
}

/// The cores that the calling thread may use.
///
/// # Errors
/// The kernel does not tell.
pub(crate) fn allowed_cpus() -> anyhow::Result<Vec<usize>> {
    let allowed = rustix::thread::sched_getaffinity(None).context("which cores are allowed?")?;
    let cpus = 0..CpuSet::MAX_CPU;
    Ok(cpus.filter(|&cpu| allowed.is_set(cpu)).collect())
}

/// Pins the calling thread, and threads that it starts from now on.
///
/// # Errors
/// This process may not use that core.
pub(crate) fn pin(cpu: usize) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    rustix::thread::sched_setaffinity(None, &set)
        .with_context(|| format!("cannot pin to core {cpu}"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures real time; there is no Clock to replace"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Lets a server come to rest.
#[expect(
    clippy::disallowed_methods,
    reason = "idle means that nothing happens that could be waited for"
)]
pub(crate) fn rest(duration: Duration) {
    std::thread::sleep(duration);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_in_the_first_line_of_either_server() {
        let expected = Some(SocketAddr::from(([127, 0, 0, 1], 9092)));
        let broker = "ringbrook 0.1.0 listening on PLAINTEXT://127.0.0.1:9092; log dirs ./data\n";
        assert_eq!(address_in(broker), expected);
        assert_eq!(address_in("null server on 127.0.0.1:9092\n"), expected);
        assert_eq!(address_in("ringbrook: port in use\n"), None);
    }

    #[test]
    fn cpu_seconds_of_this_process_grow_with_its_work() {
        let begin = cpu_seconds("self").unwrap();
        let deadline = now() + Duration::from_secs(20);
        while cpu_seconds("self").unwrap() <= begin {
            assert!(now() < deadline, "20 s of work account for none");
        }
    }
}
