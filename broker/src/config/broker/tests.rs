//! Whole configurations: precedence, defaults, and the files people already have.

use std::{io::Write, path::Path, time::Duration};

use tempfile::NamedTempFile;

use super::*;

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

fn load_file(text: &str) -> Result<(BrokerConfig, Vec<String>), ConfigError> {
    let file = file(text);
    let path = Some(file.path().to_owned());
    let (config, warnings) = BrokerConfig::load(ConfigSources {
        file: path,
        ..Default::default()
    })?;
    Ok((config, warnings.iter().map(ToString::to_string).collect()))
}

#[test]
fn without_a_file_the_broker_is_local() {
    let (config, warnings) = BrokerConfig::load(ConfigSources::default()).expect("valid");
    assert_eq!(
        config.network.listeners[0].to_string(),
        "PLAINTEXT://127.0.0.1:9092"
    );
    assert_eq!(
        config.network.advertised_listeners,
        config.network.listeners
    );
    assert_eq!(config.log.dirs, [Path::new("./data")]);
    assert_eq!(config.log.metadata_dir, Path::new("./data"));
    assert_eq!(config.node_id, 1);
    assert!(1 <= config.core_threads);
    assert_eq!(config.topics.num_partitions, 1);
    assert_eq!(config.offsets.retention, Duration::from_secs(7 * 24 * 3600));
    assert_eq!(warnings, []);
}

#[test]
fn overrides_go_before_the_file_and_the_data_directory_before_both() {
    let file = file(
        "num.partitions=2\nlog.retention.hours=3\nlog.dirs=/a,/b\nlisteners=PLAINTEXT://h:1\n",
    );
    let sources = |data_dir| ConfigSources {
        file: Some(file.path().to_owned()),
        overrides: vec![("num.partitions".to_owned(), "5".to_owned())],
        data_dir,
    };
    let (config, _) = BrokerConfig::load(sources(None)).expect("valid");
    assert_eq!(config.topics.num_partitions, 5);
    assert_eq!(config.log.dirs, [Path::new("/a"), Path::new("/b")]);
    let (config, _) = BrokerConfig::load(sources(Some(PathBuf::from("/c")))).expect("valid");
    assert_eq!(config.log.dirs, [Path::new("/c")]);
    assert_eq!(
        config
            .statics()
            .get("log.retention.hours")
            .map(String::as_str),
        Some("3")
    );
    assert!(BrokerConfig::load(sources(Some(PathBuf::from("/c,d")))).is_err());
}

#[test]
fn a_file_without_listeners_gets_kafkas_default() {
    let (config, _) = load_file("num.partitions=2\n").expect("valid");
    assert_eq!(config.network.listeners[0].to_string(), "PLAINTEXT://:9092");
    assert!(!config.network.advertised_listeners[0].host.is_empty());
}

#[test]
fn either_name_of_the_node_id_works() {
    for text in ["broker.id=7\n", "node.id=7\n", "node.id=7\nbroker.id=7\n"] {
        let (config, warnings) = load_file(text).expect("valid");
        assert_eq!(config.node_id, 7, "{text}");
        assert_eq!(
            config.statics().get("node.id"),
            config.statics().get("broker.id")
        );
        assert!(
            warnings.iter().all(|line| !line.contains("id")),
            "{warnings:?}"
        );
    }
    assert_eq!(load_file("broker.id=-1\n").expect("valid").0.node_id, 1);
    for (text, key) in [("broker.id=-2\n", "broker.id"), ("node.id=x\n", "node.id")] {
        let refusal = load_file(text).unwrap_err().to_string();
        assert!(
            refusal.contains(&format!("for configuration {key}:")),
            "{refusal}"
        );
    }
}

#[test]
fn a_bad_value_names_key_value_and_range() {
    for (text, expected) in [
        (
            "log.segment.bytes=1000",
            "Invalid value 1000 for configuration log.segment.bytes: Value must be at least \
             1048576",
        ),
        (
            "auto.create.topics.enable=maybe",
            "Invalid value maybe for configuration auto.create.topics.enable: Expected value to \
             be either true or false",
        ),
        (
            "log.dirs=",
            "Invalid value  for configuration log.dirs: List must not be empty",
        ),
        (
            "log.message.timestamp.type=Now",
            "Invalid value Now for configuration log.message.timestamp.type: String must be one \
             of: CreateTime, LogAppendTime",
        ),
    ] {
        assert_eq!(load_file(text).unwrap_err().to_string(), expected);
    }
}

#[test]
fn warnings_come_one_per_key() {
    let (_, warnings) =
        load_file("log.dir.s=/x\nnum.io.threads=64\nretention.ms=5\n").expect("valid");
    assert_eq!(
        warnings[..3],
        [
            "unknown config log.dir.s: did you mean log.dirs?",
            "num.io.threads is ignored: there is one event loop per core; see core.threads",
            "retention.ms is a topic config: its default for topics is log.retention.ms",
        ]
    );
}

#[test]
fn dynamic_configs_go_on_top() {
    let (config, _) = BrokerConfig::load(ConfigSources::default()).expect("valid");
    let cluster = Properties::from([("max.connections".to_owned(), "10".to_owned())]);
    let broker = Properties::from([("max.connections".to_owned(), "20".to_owned())]);
    let dynamic = DynamicConfigs {
        broker: &Properties::new(),
        cluster: &cluster,
    };
    assert_eq!(
        config
            .with_dynamic(dynamic)
            .expect("valid")
            .network
            .max_connections,
        10
    );
    let dynamic = DynamicConfigs {
        broker: &broker,
        cluster: &cluster,
    };
    assert_eq!(
        config
            .with_dynamic(dynamic)
            .expect("valid")
            .network
            .max_connections,
        20
    );
    assert_eq!(
        config.with_dynamic(DynamicConfigs::none()).expect("valid"),
        config
    );
}

/// The settings of the `config/server.properties` that Kafka 4 comes with.
#[test]
fn kafka_4_combined_file_loads() {
    let (config, warnings) = load_file(
        "process.roles=broker,controller\nnode.id=1\n\
         controller.quorum.bootstrap.servers=localhost:9093\n\
         listeners=PLAINTEXT://:9092,CONTROLLER://:9093\ninter.broker.listener.name=PLAINTEXT\n\
         advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,\
         SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL\n\
         num.network.threads=3\nnum.io.threads=8\nsocket.send.buffer.bytes=102400\n\
         socket.receive.buffer.bytes=102400\nsocket.request.max.bytes=104857600\n\
         log.dirs=/tmp/kraft-combined-logs\nnum.partitions=1\n\
         num.recovery.threads.per.data.dir=1\noffsets.topic.replication.factor=1\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
         #log.flush.interval.messages=10000\nlog.retention.hours=168\n\
         log.segment.bytes=1073741824\nlog.retention.check.interval.ms=300000\n",
    )
    .expect("valid");
    assert_eq!(config.network.listeners.len(), 1);
    assert_eq!(
        config.network.advertised_listeners[0].to_string(),
        "PLAINTEXT://localhost:9092"
    );
    assert_eq!(config.log.dirs, [Path::new("/tmp/kraft-combined-logs")]);
    assert_eq!(config.log.recovery_threads_per_data_dir, 1);
    assert!(
        warnings
            .iter()
            .any(|line| line.contains("CONTROLLER is not opened")),
        "{warnings:?}"
    );
    assert!(
        warnings.iter().all(|line| !line.contains("unknown")),
        "{warnings:?}"
    );
}

/// The settings of the `config/broker.properties` that Kafka 4 comes with.
#[test]
fn kafka_4_broker_only_file_loads_as_a_cluster_of_its_own() {
    let (config, warnings) = load_file(
        "process.roles=broker\nnode.id=2\ncontroller.quorum.bootstrap.servers=localhost:9093\n\
         listeners=PLAINTEXT://localhost:9092\ninter.broker.listener.name=PLAINTEXT\n\
         advertised.listeners=PLAINTEXT://localhost:9092\ncontroller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,\
         SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL\nlog.dirs=/tmp/kraft-broker-logs\n",
    )
    .expect("valid");
    assert_eq!(config.node_id, 2);
    assert!(
        warnings
            .iter()
            .any(|line| line.contains("a cluster of its own")),
        "{warnings:?}"
    );
}

/// The settings of the ZooKeeper-era `config/server.properties` (Kafka up to 3.9).
#[test]
fn kafka_3_zookeeper_file_loads() {
    let (config, warnings) = load_file(
        "broker.id=0\n#listeners=PLAINTEXT://:9092\nnum.network.threads=3\nnum.io.threads=8\n\
         socket.send.buffer.bytes=102400\nsocket.receive.buffer.bytes=102400\n\
         socket.request.max.bytes=104857600\nlog.dirs=/tmp/kafka-logs\nnum.partitions=1\n\
         num.recovery.threads.per.data.dir=1\noffsets.topic.replication.factor=1\n\
         transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
         log.retention.hours=168\nlog.retention.check.interval.ms=300000\n\
         zookeeper.connect=localhost:2181\nzookeeper.connection.timeout.ms=18000\n\
         inter.broker.protocol.version=3.9\ngroup.initial.rebalance.delay.ms=0\n",
    )
    .expect("valid");
    assert_eq!(config.node_id, 0);
    assert_eq!(config.groups.initial_rebalance_delay, Duration::ZERO);
    let retired = warnings
        .iter()
        .filter(|line| line.contains("Kafka 4 no longer has it"))
        .count();
    assert_eq!(retired, 3, "{warnings:?}");
    assert!(
        warnings.iter().all(|line| !line.contains("unknown")),
        "{warnings:?}"
    );
}
