//! A broker process under test.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Resource, Rlimit, Signal};
use tempfile::TempDir;

use crate::cargo;
use crate::{Client, SmallDisk, now, wait_until};

/// How long a broker may take to start or stop on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// How to start a broker.
#[derive(Debug, Clone, Default)]
pub struct BrokerOptions {
    overrides: Vec<(String, String)>,
    config: Option<PathBuf>,
    cpu: Option<usize>,
    namespace: Option<u32>,
}

impl BrokerOptions {
    /// Options that save time in tests of groups and transactions and are no different otherwise.
    #[must_use]
    pub fn fast() -> Self {
        Self::default()
            .set("group.initial.rebalance.delay.ms", "0")
            .set("offsets.topic.num.partitions", "4")
            .set("transaction.state.log.num.partitions", "4")
            .set(
                "transaction.abort.timed.out.transaction.cleanup.interval.ms",
                "500",
            )
            .set("group.consumer.min.heartbeat.interval.ms", "200")
            .set("group.consumer.heartbeat.interval.ms", "200")
            .set("group.consumer.min.session.timeout.ms", "1000")
            .set("group.consumer.assignment.interval.ms", "100")
    }

    /// Sets one configuration.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.overrides.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Reads a server.properties.
    #[must_use]
    pub fn config(mut self, file: &Path) -> Self {
        self.config = Some(file.to_owned());
        self
    }

    /// Starts the broker where `disk` is mounted.
    #[must_use]
    pub fn with_disk(mut self, disk: &SmallDisk) -> Self {
        self.namespace = Some(disk.holder());
        self
    }

    /// Pins the broker to one CPU.
    #[must_use]
    pub fn on_cpu(mut self, cpu: usize) -> Self {
        self.cpu = Some(cpu);
        self
    }
}

/// A running broker. Killed when dropped. Its log is shown when the test panics, and always with
/// the environment variable `RINGBROOK_TEST_LOG`.
#[derive(Debug)]
pub struct TestBroker {
    options: BrokerOptions,
    data_dir: Arc<TempDir>,
    child: Child,
    banner: String,
    address: SocketAddr,
    start_time: Duration,
    log: Arc<Mutex<String>>,
}

impl TestBroker {
    /// Starts a broker with an empty data directory and [`BrokerOptions::fast`].
    ///
    /// # Errors
    /// The broker does not start; the error has its output.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with(BrokerOptions::fast())
    }

    /// Starts a broker with an empty data directory.
    ///
    /// # Errors
    /// The broker does not start; the error has its output.
    pub fn start_with(options: BrokerOptions) -> anyhow::Result<Self> {
        Self::start_in(options, Arc::new(TempDir::new()?))
    }

    /// Starts a broker in a data directory that another one has left.
    ///
    /// # Errors
    /// The broker does not start; the error has its output.
    pub fn start_in(options: BrokerOptions, data_dir: Arc<TempDir>) -> anyhow::Result<Self> {
        let mut command = Self::command(&options, data_dir.path())?;
        let begin = now();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let log = Arc::<Mutex<String>>::default();
        let stderr = child.stderr.take().context("stderr is piped")?;
        collect(stderr, &log);
        let stdout = child.stdout.take().context("stdout is piped")?;
        let banner = first_line(stdout)
            .recv_timeout(DEADLINE)
            .unwrap_or_default();
        let start_time = now() - begin;
        let Some(address) = parse_address(&banner) else {
            // Fails when the broker has ended by itself, which is the ordinary case here.
            drop(child.kill());
            let status = child.wait()?;
            wait_until(Duration::from_secs(5), || !text(&log).is_empty());
            bail!("broker did not start ({status}): {banner}{}", text(&log));
        };
        Ok(Self {
            options,
            data_dir,
            child,
            banner,
            address,
            start_time,
            log,
        })
    }

    /// Starts a broker that is expected to refuse, and returns its standard error.
    ///
    /// # Errors
    /// The broker starts, or ends with success, or does not end in time.
    pub fn refused(options: &BrokerOptions, data_dir: &Path) -> anyhow::Result<String> {
        let mut command = Self::command(options, data_dir)?;
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stderr = child.stderr.take().context("stderr is piped")?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        // Ends with the process, with an empty line then.
        let banner = first_line(stdout).recv_timeout(DEADLINE);
        drop(child.kill());
        let status = child.wait()?;
        let mut said = String::new();
        stderr.read_to_string(&mut said)?;
        let banner = banner.context("broker neither starts nor ends")?;
        ensure!(banner.is_empty(), "broker started: {banner}{said}");
        ensure!(
            status.code().is_some_and(|code| code != 0),
            "broker ended with {status}: {said}"
        );
        Ok(said)
    }

    /// The command line of a broker with `options` in `data_dir`.
    ///
    /// # Errors
    /// The binary cannot be built.
    pub fn command(options: &BrokerOptions, data_dir: &Path) -> anyhow::Result<Command> {
        let mut command = match options.cpu {
            Some(cpu) => {
                let mut command = Command::new("taskset");
                command.arg("-c").arg(cpu.to_string()).arg(binary()?);
                command
            }
            None => match options.namespace {
                Some(holder) => SmallDisk::enter(holder, binary()?),
                None => Command::new(binary()?),
            },
        };
        // The argument would win over log dirs of the test's own.
        if options.overrides.iter().all(|(key, _)| key != "log.dirs") {
            command.arg("--data-dir").arg(data_dir);
        }
        if let Some(config) = &options.config {
            command.arg("--config").arg(config);
        }
        command
            .arg("--override")
            .arg("listeners=PLAINTEXT://127.0.0.1:0");
        for (key, value) in &options.overrides {
            command.arg("--override").arg(format!("{key}={value}"));
        }
        command.stdin(Stdio::null());
        Ok(command)
    }

    /// Where clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A connection to it.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn client(&self) -> anyhow::Result<Client> {
        Client::connect(self.address)
    }

    /// The broker's first line.
    #[must_use]
    pub fn banner(&self) -> &str {
        &self.banner
    }

    /// From the start of the process to its first line, which it writes once it is listening.
    #[must_use]
    pub fn start_time(&self) -> Duration {
        self.start_time
    }

    /// What the broker has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        text(&self.log)
    }

    /// The broker's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The data directory; kept as long as somebody holds it.
    #[must_use]
    pub fn data_dir(&self) -> Arc<TempDir> {
        Arc::clone(&self.data_dir)
    }

    /// Kills the broker without warning (SIGKILL) and starts it again in the same directory.
    ///
    /// # Errors
    /// The broker does not start.
    pub fn kill_and_restart(mut self) -> anyhow::Result<Self> {
        self.kill()?;
        Self::start_in(self.options.clone(), self.data_dir())
    }

    /// Stops the broker cleanly (SIGTERM) and starts it again in the same directory.
    ///
    /// # Errors
    /// The broker does not stop or does not start.
    pub fn stop_and_restart(self) -> anyhow::Result<Self> {
        let (options, data_dir) = (self.options.clone(), self.data_dir());
        self.stop()?;
        Self::start_in(options, data_dir)
    }

    /// Kills the broker without warning (SIGKILL).
    ///
    /// # Errors
    /// The process cannot be signalled.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Stops the broker cleanly (SIGTERM).
    ///
    /// # Errors
    /// It does not stop in time, or not with success.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let status = self.terminate(Signal::TERM)?;
        ensure!(
            status.success(),
            "broker stopped with {status}: {}",
            self.log()
        );
        Ok(())
    }

    /// Waits for the broker to end by itself.
    ///
    /// # Errors
    /// It does not in time.
    pub fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        let mut status = None;
        wait_until(DEADLINE, || {
            status = self.child.try_wait().ok().flatten();
            status.is_some()
        });
        status.with_context(|| format!("broker still runs: {}", self.log()))
    }

    /// Sends a signal and waits for the end.
    ///
    /// # Errors
    /// The broker does not end in time.
    pub fn terminate(&mut self, signal: Signal) -> anyhow::Result<ExitStatus> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        rustix::process::kill_process(pid.context("a process id")?, signal)?;
        let mut status = None;
        wait_until(DEADLINE, || {
            status = self.child.try_wait().ok().flatten();
            status.is_some()
        });
        status.with_context(|| format!("broker did not stop: {}", self.log()))
    }

    /// Raises this process's limit of open files to `count`, which brokers started later inherit.
    ///
    /// # Errors
    /// The hard limit is lower and may not be raised.
    pub fn raise_open_files(count: u64) -> anyhow::Result<()> {
        let limit = rustix::process::getrlimit(Resource::Nofile);
        if limit.current.is_none_or(|current| count <= current) {
            return Ok(());
        }
        let maximum = limit.maximum.map(|maximum| maximum.max(count));
        let raised = Rlimit {
            current: Some(count),
            maximum,
        };
        rustix::process::setrlimit(Resource::Nofile, raised)
            .with_context(|| format!("{count} open files are not permitted"))
    }
}

impl Drop for TestBroker {
    fn drop(&mut self) {
        // Both fail when the test has ended the broker itself.
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() || std::env::var_os("RINGBROOK_TEST_LOG").is_some() {
            eprintln!("--- log of the broker\n{}", self.log());
        }
    }
}

fn text(log: &Mutex<String>) -> String {
    log.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Gathers the lines of `from` in `into` until the process ends.
fn collect(from: impl Read + Send + 'static, into: &Arc<Mutex<String>>) {
    let into = Arc::clone(into);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let mut log = into.lock().unwrap_or_else(PoisonError::into_inner);
            log.push_str(&line);
            log.push('\n');
        }
    });
}

/// The first line of `from`, empty when there is none; what follows is read and dropped.
fn first_line(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = String::new();
        // A failed read leaves the line empty, as the end of the process does; nobody waits for
        // the line when the test has given up.
        drop(from.read_line(&mut line));
        drop(sender.send(line));
        drop(std::io::copy(&mut from, &mut std::io::sink()));
    });
    receiver
}

fn parse_address(banner: &str) -> Option<SocketAddr> {
    let (_, rest) = banner.split_once("PLAINTEXT://")?;
    rest.split([',', ';', ' ']).next()?.parse().ok()
}

/// The broker's binary, built in the profile of the tests.
fn binary() -> anyhow::Result<&'static Path> {
    static BINARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BINARY.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    built.as_deref().map_err(|error| anyhow::anyhow!("{error}"))
}

fn build() -> anyhow::Result<PathBuf> {
    if let Some(binary) = std::env::var_os("RINGBROOK_BIN") {
        return Ok(binary.into());
    }
    let profile = cargo::build(&["--package", "ringbrook-broker", "--bin", "ringbrook"])?;
    Ok(profile.join("ringbrook"))
}
