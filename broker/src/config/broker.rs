//! The broker's whole configuration: defaults, `server.properties`, command line and dynamic
//! configs, merged and typed. Not topics' own settings, which `topic.rs` resolves.

use std::{fs, net::ToSocketAddrs, path::PathBuf, thread};

use super::{
    cross_check, definition,
    error::ConfigError,
    layers::{DynamicConfigs, Layers, Properties},
    network::NetworkConfig,
    server_properties,
    settings::{GroupsConfig, LogsConfig, OffsetsConfig, TopicsConfig},
    transactions::TransactionsConfig,
    warning::{ConfigWarning, warning_for},
};

/// The listener without a file: reachable from this machine only.
const LISTENERS_WITHOUT_FILE: &str = "PLAINTEXT://127.0.0.1:9092";

/// Where the configuration of a start comes from.
#[derive(Debug, Clone, Default)]
pub struct ConfigSources {
    /// A properties file.
    pub file: Option<PathBuf>,
    /// Keys and values that go before the file's.
    pub overrides: Vec<(String, String)>,
    /// The only log directory, before everything else.
    pub data_dir: Option<PathBuf>,
}

/// Everything that is configured about a broker.
#[derive(Debug, Clone, PartialEq)]
pub struct BrokerConfig {
    /// Id of this node.
    pub node_id: i32,
    /// Rack, if any.
    pub rack: Option<String>,
    /// Event loop threads; at least 1.
    pub core_threads: usize,
    /// Listeners, sockets and connections.
    pub network: NetworkConfig,
    /// Log directories and the work on logs.
    pub log: LogsConfig,
    /// Creation and deletion of topics.
    pub topics: TopicsConfig,
    /// Classic groups.
    pub groups: GroupsConfig,
    /// Committed offsets.
    pub offsets: OffsetsConfig,
    /// Transactions.
    pub transactions: TransactionsConfig,
    /// The keys and values of the file and the command line, as they were written.
    statics: Properties,
    /// What is advertised where a listener has no host.
    advertised_host: String,
}

impl BrokerConfig {
    /// Reads and merges all sources; the warnings are to be printed, one line each. Blocking: reads
    /// the file and, when a listener without a host is to be advertised, looks up the host's name.
    ///
    /// # Errors
    /// A file that cannot be read or parsed, a value of the wrong type or outside its range, and
    /// settings that contradict each other.
    pub fn load(sources: ConfigSources) -> Result<(Self, Vec<ConfigWarning>), ConfigError> {
        let mut statics = merge(sources)?;
        let mut warnings = check_each(&statics)?;
        join_ids(&mut statics)?;
        let layers = Layers {
            dynamic: DynamicConfigs::none(),
            statics: &statics,
        };
        let mut config = Self::from_layers(&layers, &mut warnings)?;
        if config.network.needs_advertised_host() {
            config.advertised_host = advertised_host(&mut warnings);
            config.network.fill_advertised_host(&config.advertised_host);
        }
        Ok((config, warnings))
    }

    /// The configuration with dynamic broker configs on top, as the metadata holds them.
    ///
    /// # Errors
    /// Settings that contradict each other; a change that leads there must be refused.
    pub fn with_dynamic(&self, dynamic: DynamicConfigs<'_>) -> Result<Self, ConfigError> {
        let layers = self.layers(dynamic);
        let mut config = Self::from_layers(&layers, &mut Vec::new())?;
        config.advertised_host.clone_from(&self.advertised_host);
        config.network.fill_advertised_host(&self.advertised_host);
        Ok(config)
    }

    /// The keys and values of the file and the command line, as they were written.
    #[must_use]
    pub fn statics(&self) -> &Properties {
        &self.statics
    }

    /// This start's configuration under `dynamic`.
    pub(super) fn layers<'a>(&'a self, dynamic: DynamicConfigs<'a>) -> Layers<'a> {
        Layers {
            dynamic,
            statics: &self.statics,
        }
    }

    fn from_layers(
        layers: &Layers<'_>,
        warnings: &mut Vec<ConfigWarning>,
    ) -> Result<Self, ConfigError> {
        let config = Self {
            node_id: layers.int("node.id"),
            rack: layers.optional_text("broker.rack"),
            core_threads: match layers.size("core.threads") {
                0 => thread::available_parallelism().map_or(1, usize::from),
                threads => threads,
            },
            network: NetworkConfig::read(layers, warnings)?,
            log: LogsConfig::read(layers),
            topics: TopicsConfig::read(layers)?,
            groups: GroupsConfig::read(layers),
            offsets: OffsetsConfig::read(layers)?,
            transactions: TransactionsConfig::read(layers),
            statics: layers.statics.clone(),
            advertised_host: String::new(),
        };
        cross_check::check(&config, layers, warnings)?;
        Ok(config)
    }
}

/// The file, then the overrides, then the data directory.
fn merge(sources: ConfigSources) -> Result<Properties, ConfigError> {
    let has_file = sources.file.is_some();
    let mut statics = match sources.file {
        Some(path) => server_properties::read_properties(&path)?,
        None => Properties::new(),
    };
    statics.extend(sources.overrides);
    if let Some(dir) = sources.data_dir {
        let dir = match dir.to_str() {
            Some(text) if !text.contains(',') && !text.trim().is_empty() => text.to_owned(),
            _ => {
                let reason = "a directory's name must be UTF-8, not empty and without commas";
                return Err(ConfigError::invalid(
                    "log.dirs",
                    &dir.to_string_lossy(),
                    reason,
                ));
            }
        };
        statics.insert("log.dirs".to_owned(), dir);
    }
    if !has_file && !statics.contains_key("listeners") {
        statics.insert("listeners".to_owned(), LISTENERS_WITHOUT_FILE.to_owned());
    }
    Ok(statics)
}

/// `node.id` and `broker.id` are two names of one setting. The old default of `broker.id`, -1,
/// asked ZooKeeper for an id: it counts as unset. Both values have been checked.
fn join_ids(statics: &mut Properties) -> Result<(), ConfigError> {
    if statics.get("broker.id").is_some_and(|id| id.trim() == "-1") {
        statics.remove("broker.id");
    }
    match (
        statics.get("node.id").cloned(),
        statics.get("broker.id").cloned(),
    ) {
        (Some(node), Some(broker)) if node.trim() != broker.trim() => {
            let text = format!("node.id={node} and broker.id={broker} must be the same");
            return Err(ConfigError::Conflict(text));
        }
        (Some(node), None) => statics.insert("broker.id".to_owned(), node),
        (None, Some(broker)) => statics.insert("node.id".to_owned(), broker),
        _ => None,
    };
    Ok(())
}

/// Checks the value of every known key, and collects what is to be said about the rest.
fn check_each(statics: &Properties) -> Result<Vec<ConfigWarning>, ConfigError> {
    let mut warnings = Vec::new();
    for (name, value) in statics {
        if let Some(known) = definition::broker_config(name) {
            known.parse(value)?;
        }
        warnings.extend(warning_for(name, value));
    }
    Ok(warnings)
}

/// This machine's name, which Kafka advertises for a listener without a host; `localhost` when the
/// name does not resolve, because then no client could use it.
fn advertised_host(warnings: &mut Vec<ConfigWarning>) -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if !name.is_empty()
        && (name, 0)
            .to_socket_addrs()
            .is_ok_and(|mut found| found.next().is_some())
    {
        return name.to_owned();
    }
    warnings.push(ConfigWarning::Note(format!(
        "this machine's name ({name}) does not resolve, so clients are told localhost: set \
         advertised.listeners to be reached from elsewhere"
    )));
    "localhost".to_owned()
}

#[cfg(test)]
mod tests;
