//! The broker under load: one that runs already, or ours, started for the run.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use ringbrook_client::Admin;
use ringbrook_client::admin::{
    ConfigResource, CreateTopicsOptions, DescribeConfigsOptions, NewTopic,
};
use ringbrook_client::config::{AdminConfig, Properties};
use serde::Serialize;

use super::TargetArgs;
use super::workload::Workload;
use crate::interrupt::Scratch;
use crate::process::{self, Server};
use crate::round::broker_command;

const TIMEOUT: Duration = Duration::from_secs(60);

/// Where records go.
pub(crate) struct Target {
    pub(crate) bootstrap: String,
    /// The broker's process, if it runs here.
    pid: Option<u32>,
    server: Option<Server>,
    /// Of workloads; those of the command line come on top.
    settings: BTreeMap<String, String>,
    /// Of the broker that was started.
    _dir: Option<Scratch>,
}

/// What a broker's process has used so far.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Usage {
    pub(crate) cpu_s: f64,
    pub(crate) resident_bytes: u64,
}

impl Target {
    /// Connects to the broker that `args` names, or starts one.
    ///
    /// # Errors
    /// The broker does not start.
    pub(crate) fn open(args: &TargetArgs) -> anyhow::Result<Self> {
        Self::open_with(args, &BTreeMap::new())
    }

    /// The same with settings of the broker, which only one that is started can have.
    ///
    /// # Errors
    /// The broker does not start.
    pub(crate) fn open_with(
        args: &TargetArgs,
        settings: &BTreeMap<String, String>,
    ) -> anyhow::Result<Self> {
        if let Some(bootstrap) = &args.bootstrap_server {
            return Ok(Self {
                bootstrap: bootstrap.clone(),
                pid: args.broker_pid,
                server: None,
                settings: BTreeMap::new(),
                _dir: None,
            });
        }
        ensure!(
            args.ringbrook.exists(),
            "there is no broker at {}: build it (cargo build --release), or name one with \
             --bootstrap-server",
            args.ringbrook.display()
        );
        let dir = Scratch::new_in(&args.dir)?;
        let mut command = broker_command(&args.ringbrook, dir.path());
        for (name, value) in settings {
            command.args(["--override", &format!("{name}={value}")]);
        }
        for setting in &args.broker_override {
            command.args(["--override", setting]);
        }
        let server = Server::start(&mut command, args.server_cpu)?;
        Ok(Self {
            bootstrap: server.address.to_string(),
            pid: Some(server.pid()),
            server: Some(server),
            settings: settings.clone(),
            _dir: Some(dir),
        })
    }

    /// Another broker of the same kind for `workload`, if this one will not do; this one is stopped
    /// then.
    ///
    /// # Errors
    /// A broker does not stop in order, or does not start.
    pub(crate) fn for_workload(
        self,
        args: &TargetArgs,
        workload: &Workload,
    ) -> anyhow::Result<Self> {
        if self.server.is_none() || !workload.fresh_broker && self.settings == workload.broker {
            return Ok(self);
        }
        self.close()?;
        Self::open_with(args, &workload.broker)
            .with_context(|| format!("a broker with {:?}", workload.broker))
    }

    /// What the broker has used so far; nothing when its process is not known.
    ///
    /// # Errors
    /// The process is gone.
    pub(crate) fn usage(&self) -> anyhow::Result<Option<Usage>> {
        let usage = self.pid.map(|pid| {
            anyhow::Ok(Usage {
                cpu_s: process::cpu_seconds(&pid.to_string())?,
                resident_bytes: process::resident_bytes(pid)?,
            })
        });
        usage.transpose().context("the broker's process")
    }

    /// Whether it was started for the run, without settings that a reader would have to know.
    pub(crate) fn description(&self, args: &TargetArgs) -> String {
        if self.server.is_none() {
            return format!("broker at {}", self.bootstrap);
        }
        let name = args
            .ringbrook
            .file_name()
            .map(Path::new)
            .unwrap_or(&args.ringbrook);
        let overrides = args.broker_override.join(" ");
        format!(
            "{} with {}",
            name.display(),
            if overrides.is_empty() {
                "defaults"
            } else {
                &overrides
            }
        )
    }

    /// Creates the topics of a load, and returns when all of their partitions have leaders.
    ///
    /// # Errors
    /// The broker refused one.
    pub(crate) async fn create_topics(
        &self,
        names: &[String],
        workload: &Workload,
    ) -> anyhow::Result<()> {
        let topics = names.iter().map(|name| {
            let topic = NewTopic::new(name)
                .partitions(workload.partitions_per_topic)
                .replication_factor(workload.replication_factor);
            let settings = workload.topic.iter();
            settings.fold(topic, |topic, (name, value)| topic.config(name, value))
        });
        let topics: Vec<_> = topics.collect();
        let admin = self.admin()?;
        let created = admin.create_topics(&topics, CreateTopicsOptions::default());
        created.await.all().context("creating the topics")?;
        Ok(())
    }

    /// The settings that the broker that was started says are not its defaults; nothing of one that
    /// ran already, which may be of any kind.
    ///
    /// # Errors
    /// The broker refused.
    pub(crate) async fn settings(&self) -> anyhow::Result<BTreeMap<String, String>> {
        if self.server.is_none() {
            return Ok(BTreeMap::new());
        }
        let admin = self.admin()?;
        let cluster = admin.describe_cluster().await?;
        let nodes = cluster.nodes.iter();
        let described = admin.describe_configs(
            nodes.map(|node| ConfigResource::broker(node.id)),
            DescribeConfigsOptions::default(),
        );
        let described = described.await.all().context("asking for settings")?;
        let entries = described.into_values().flatten();
        Ok(entries
            .filter(|entry| !entry.is_default())
            .filter_map(|entry| Some((entry.name, entry.value?)))
            .collect())
    }

    /// Deletes them again.
    ///
    /// # Errors
    /// The broker refused.
    pub(crate) async fn delete_topics(&self, names: &[String]) -> anyhow::Result<()> {
        let deleted = self.admin()?.delete_topics(names.to_vec()).await;
        deleted.all().context("deleting the topics")?;
        Ok(())
    }

    fn admin(&self) -> anyhow::Result<Admin> {
        let properties = Properties::new().with("bootstrap.servers", &self.bootstrap);
        let config = AdminConfig::from_properties(&properties)?;
        Ok(Admin::new(config)?.with_timeout(TIMEOUT))
    }

    /// Stops the broker if it was started.
    ///
    /// # Errors
    /// It did not stop in order.
    pub(crate) fn close(self) -> anyhow::Result<()> {
        self.server.map_or(Ok(()), Server::stop)
    }
}
