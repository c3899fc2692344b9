//! Rules over several keys, which no single definition can hold (Kafka's
//! `KafkaConfig.validateValues`). Called once per load, by `broker.rs`.

use super::{
    broker::BrokerConfig, error::ConfigError, layers::Layers, topic::TopicLayers,
    warning::ConfigWarning,
};

/// Refuses settings that contradict each other, and remarks on those that cannot do what they seem
/// to.
///
/// # Errors
/// [`ConfigError::Conflict`] or [`ConfigError::InvalidValue`] for the first rule broken.
pub(super) fn check(
    config: &BrokerConfig,
    layers: &Layers<'_>,
    warnings: &mut Vec<ConfigWarning>,
) -> Result<(), ConfigError> {
    check_roles(config, layers, warnings)?;
    check_access_control(layers)?;
    check_times(layers)?;
    check_consumer_groups(layers)?;
    check_cleaner(config)?;
    check_network(config, layers)?;
    note_sizes(config, layers, warnings);
    TopicLayers::of_broker(*layers).check_rules()
}

fn check_roles(
    config: &BrokerConfig,
    layers: &Layers<'_>,
    warnings: &mut Vec<ConfigWarning>,
) -> Result<(), ConfigError> {
    let roles = layers.list("process.roles");
    if !roles.is_empty() && !roles.iter().any(|role| role == "broker") {
        return Err(ConfigError::Conflict(
            "process.roles must contain broker: nodes that are only controllers are not \
             supported yet"
                .to_owned(),
        ));
    }
    let own_id = config.node_id.to_string();
    let is_other = |voter: &String| voter.split_once('@').is_some_and(|(id, _)| id != own_id);
    let others = layers
        .list("controller.quorum.voters")
        .iter()
        .filter(|v| is_other(v))
        .count();
    let is_broker_only = !roles.is_empty() && !roles.iter().any(|role| role == "controller");
    if 0 < others || is_broker_only {
        warnings.push(ConfigWarning::Note(
            "other nodes are not joined: several brokers are not supported yet, so this node is a \
             cluster of its own"
                .to_owned(),
        ));
    }
    Ok(())
}

/// An authorizer that is ignored would open every topic to everyone, so it is refused instead.
fn check_access_control(layers: &Layers<'_>) -> Result<(), ConfigError> {
    let key = "authorizer.class.name";
    let class = layers.text(key);
    if class.is_empty() {
        return Ok(());
    }
    let reason = "access control is not supported yet; without this key every client may do \
                  everything";
    Err(ConfigError::invalid(key, &class, reason))
}

fn check_times(layers: &Layers<'_>) -> Result<(), ConfigError> {
    for key in [
        "log.retention.ms",
        "log.retention.minutes",
        "log.retention.hours",
    ] {
        if layers.optional_long(key) == Some(0) {
            let reason = "Value must be at least 1, or -1 for no limit";
            return Err(ConfigError::invalid(key, "0", reason));
        }
    }
    for (key, lowest) in [("log.roll.ms", 1), ("log.roll.jitter.ms", 0)] {
        match layers.optional_long(key) {
            Some(value) if value < lowest => {
                let reason = format!("Value must be at least {lowest}");
                return Err(ConfigError::invalid(key, &value.to_string(), reason));
            }
            _ => {}
        }
    }
    check_order(
        layers,
        "group.min.session.timeout.ms",
        "group.max.session.timeout.ms",
    )
}

/// The server-side assignors there are; Kafka would take the name of a Java class.
const ASSIGNORS: [&str; 2] = ["uniform", "range"];

/// (Kafka `GroupCoordinatorConfig`.)
fn check_consumer_groups(layers: &Layers<'_>) -> Result<(), ConfigError> {
    for what in [
        "heartbeat.interval.ms",
        "session.timeout.ms",
        "assignment.interval.ms",
    ] {
        let min = format!("group.consumer.min.{what}");
        let max = format!("group.consumer.max.{what}");
        let value = format!("group.consumer.{what}");
        check_order(layers, &min, &max)?;
        check_order(layers, &min, &value)?;
        check_order(layers, &value, &max)?;
    }
    let (heartbeat, session) = (
        "group.consumer.heartbeat.interval.ms",
        "group.consumer.session.timeout.ms",
    );
    if layers.int(session) <= layers.int(heartbeat) {
        let text = format!(
            "{heartbeat}={} must be less than {session}={}",
            layers.int(heartbeat),
            layers.int(session)
        );
        return Err(ConfigError::Conflict(text));
    }
    let key = "group.consumer.assignors";
    for name in layers.list(key) {
        if !ASSIGNORS.contains(&&*name) {
            let reason = "Only the assignors uniform and range exist here";
            return Err(ConfigError::invalid(key, &name, reason));
        }
    }
    Ok(())
}

fn check_order(layers: &Layers<'_>, low: &str, high: &str) -> Result<(), ConfigError> {
    if layers.int(high) < layers.int(low) {
        let text = format!(
            "{low}={} is above {high}={}",
            layers.int(low),
            layers.int(high)
        );
        return Err(ConfigError::Conflict(text));
    }
    Ok(())
}

/// (Kafka `KafkaConfig.validateValues` and `LogCleaner.validateReconfiguration`.)
fn check_cleaner(config: &BrokerConfig) -> Result<(), ConfigError> {
    const DEDUPE_BYTES_PER_THREAD: usize = 1 << 20;
    let cleaner = &config.log.cleaner;
    let bytes = cleaner.dedupe_buffer_bytes;
    if 0 < cleaner.threads && bytes / cleaner.threads <= DEDUPE_BYTES_PER_THREAD {
        let reason = "log.cleaner.dedupe.buffer.size must be more than 1 MiB per cleaner thread";
        let key = "log.cleaner.dedupe.buffer.size";
        return Err(ConfigError::invalid(key, &bytes.to_string(), reason));
    }
    Ok(())
}

fn check_network(config: &BrokerConfig, layers: &Layers<'_>) -> Result<(), ConfigError> {
    let network = &config.network;
    let request_bytes = network.socket_request_max_bytes;
    if network
        .queued_max_request_bytes
        .is_some_and(|queued| queued < request_bytes)
    {
        return Err(ConfigError::Conflict(format!(
            "queued.max.request.bytes={} must be at least socket.request.max.bytes={request_bytes}",
            layers.long("queued.max.request.bytes")
        )));
    }
    let overrides = &network.max_connections_per_ip_overrides;
    if network.max_connections_per_ip == 0 && overrides.is_empty() {
        return Err(ConfigError::Conflict(
            "max.connections.per.ip=0 needs max.connections.per.ip.overrides, or no client can \
             connect"
                .to_owned(),
        ));
    }
    Ok(())
}

fn note_sizes(config: &BrokerConfig, layers: &Layers<'_>, warnings: &mut Vec<ConfigWarning>) {
    let batch_bytes = layers.size("message.max.bytes");
    for (key, limit) in [
        (
            "socket.request.max.bytes",
            config.network.socket_request_max_bytes,
        ),
        ("log.segment.bytes", layers.size("log.segment.bytes")),
    ] {
        if limit < batch_bytes {
            warnings.push(ConfigWarning::Note(format!(
                "message.max.bytes={batch_bytes} is above {key}={limit}: batches that large are \
                 refused"
            )));
        }
    }
}

#[cfg(test)]
mod tests;
