//! Starting the brokers of a comparison, each on an empty directory and pinned to one core, and
//! saying what they are.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};

use super::resolve;
use super::sides::Side;
use crate::admin::Admin;
use crate::interrupt::{self, Process, Scratch};
use crate::process::{Served, Server, now, on_cpu, rest};
use crate::round::broker_command;

/// Longest time a broker may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(120);
/// Between two looks whether a broker serves.
const LOOK: Duration = Duration::from_millis(2);
/// The log of a broker that failed is told so far.
const TOLD_BYTES: usize = 4000;

/// Which brokers there are, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct BrokerArgs {
    /// Binary of our broker
    #[arg(long, default_value = "target/release/ringbrook")]
    ringbrook: PathBuf,
    /// Program that prepares Apache Kafka: `start` of tests/clients/kafka
    #[arg(long, default_value = "tests/clients/kafka/start")]
    kafka_start: PathBuf,
    /// A setting of Apache Kafka, for both of its sides, such as num.io.threads=8; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    kafka_setting: Vec<String>,
    /// Another broker that runs already, and its process, as host:port,pid
    #[arg(long, value_name = "HOST:PORT,PID")]
    pub(crate) other: Option<String>,
    /// Core of the brokers
    #[arg(long, default_value_t = 0)]
    server_cpu: usize,
}

/// A broker that serves. It is stopped and its directory removed when dropped, unless it ran
/// already.
pub(crate) struct Broker {
    pub(crate) served: Served,
    /// From the start of its process until it served; nothing when it ran already.
    pub(crate) started_in: Option<Duration>,
    /// How it was started, and its settings.
    pub(crate) description: String,
    /// Before the directory: it goes first.
    _server: Option<Server>,
    _dir: Option<Scratch>,
}

impl BrokerArgs {
    /// Starts a side, with its files in a new directory in `dir`.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn start(&self, side: Side, dir: &Path) -> anyhow::Result<Broker> {
        match side {
            Side::Kafka | Side::KafkaFlush => self.start_kafka(side, dir),
            Side::Ringbrook | Side::RingbrookPageCache => self.start_ringbrook(side, dir),
            Side::Other => self.find_other(),
        }
        .with_context(|| side.name())
    }

    fn start_ringbrook(&self, side: Side, dir: &Path) -> anyhow::Result<Broker> {
        let dir = Scratch::new_in(dir)?;
        let mut command = broker_command(&self.ringbrook, &dir.path().join("data"));
        for setting in side.settings() {
            command.args(["--override", setting]);
        }
        let begin = now();
        let server = Server::start(&mut command, Some(self.server_cpu))?;
        Admin::connect(server.address)?.ensure_served()?;
        Ok(Broker {
            served: server.served(),
            started_in: Some(begin.elapsed()),
            description: described(&command, side.settings().join("\n")),
            _server: Some(server),
            _dir: Some(dir),
        })
    }

    /// The start script formats the storage and writes the settings; the node itself is started
    /// here, so that its time counts from the same moment as that of ours.
    fn start_kafka(&self, side: Side, dir: &Path) -> anyhow::Result<Broker> {
        let dir = Scratch::new_in(dir)?;
        let node = dir.path().join("node");
        let mut prepare = Command::new(&self.kafka_start);
        prepare
            .arg(&node)
            .args(&self.kafka_setting)
            .args(side.settings())
            .env("KAFKA_PREPARE", "1")
            .stderr(Stdio::inherit());
        let prepared = interrupt::output(&mut prepare)
            .with_context(|| self.kafka_start.display().to_string())?;
        ensure!(prepared.status.success(), "Kafka cannot be prepared");
        let port = String::from_utf8(prepared.stdout)?;
        let address = resolve(&format!("127.0.0.1:{}", port.trim()))?;
        let words = std::fs::read_to_string(node.join("command"))?;
        let mut words = words.lines();
        let log = node.join("server.log");
        let mut command = Command::new(words.next().context("a program")?);
        let output = File::create(&log)?;
        command.args(words).stdin(Stdio::null());
        command.stdout(output.try_clone()?).stderr(output);
        let begin = now();
        let child = on_cpu(Some(self.server_cpu), || Ok(Process::start(&mut command)?))?;
        let mut server = Server::of_child(child, address);
        while Admin::connect(address)
            .and_then(|mut admin| admin.ensure_served())
            .is_err()
        {
            let is_alive = !server.has_ended()? && begin.elapsed() < START_TIMEOUT;
            ensure!(is_alive, "it does not start: {}", end_of(&log));
            rest(LOOK);
        }
        let settings = std::fs::read_to_string(node.join("server.properties"))?;
        Ok(Broker {
            served: server.served(),
            started_in: Some(begin.elapsed()),
            description: described(&command, settings),
            _server: Some(server),
            _dir: Some(dir),
        })
    }

    fn find_other(&self) -> anyhow::Result<Broker> {
        let other = self
            .other
            .as_deref()
            .context("say with --other where it is")?;
        let (address, pid) = other.rsplit_once(',').context("HOST:PORT,PID")?;
        let address = resolve(address)?;
        Admin::connect(address)?.ensure_served()?;
        Ok(Broker {
            served: Served {
                address,
                pid: pid.parse().context("HOST:PORT,PID")?,
            },
            started_in: None,
            description: format!("runs already at {address}"),
            _server: None,
            _dir: None,
        })
    }

    /// What the broker and the clients that are not ours call themselves.
    pub(crate) fn versions(&self, sides: &[Side]) -> Vec<(String, String)> {
        let first_line = |command: &mut Command| {
            let output = command.output().ok()?;
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text).into_owned();
            text.lines().find(|it| !it.is_empty()).map(str::to_owned)
        };
        let mut versions = vec![
            (
                "Ringbrook".to_owned(),
                first_line(Command::new(&self.ringbrook).arg("--version")),
            ),
            (
                "librdkafka".to_owned(),
                Some(rdkafka::util::get_rdkafka_version().1),
            ),
        ];
        if sides.contains(&Side::Kafka) || sides.contains(&Side::KafkaFlush) {
            versions.push((
                "Java".to_owned(),
                first_line(Command::new("java").arg("-version")),
            ));
        }
        let known = versions.into_iter();
        known
            .filter_map(|(name, version)| Some((name, version?)))
            .collect()
    }
}

/// A command line and settings, for readers.
fn described(command: &Command, settings: String) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    let line = words.join(" ");
    if settings.is_empty() {
        line
    } else {
        format!("{line}\n{settings}")
    }
}

/// The last lines of a log.
fn end_of(path: &Path) -> String {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
    match read {
        Ok(_) => {
            let begin = bytes.len().saturating_sub(TOLD_BYTES);
            String::from_utf8_lossy(bytes.get(begin..).unwrap_or_default()).into_owned()
        }
        Err(error) => format!("{}: {error}", path.display()),
    }
}
