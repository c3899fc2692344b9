//! `kafka-broker-api-versions`: which versions of which APIs each broker serves (Kafka's
//! `BrokerApiVersionsCommand`).

mod apis;

use std::collections::BTreeMap;

use ringbrook_client::cluster::Target;
use ringbrook_client::metadata::Node;
use ringbrook_client::{Admin, ClientError};
use serde_json::{Value, json};

use self::apis::APIS;
use crate::frame::{Context, Failure, Options, Tool, bootstrap_options, message_of, run_async};

/// `kafka-broker-api-versions`.
pub const TOOL: Tool = Tool {
    name: "broker-api-versions",
    about: "This tool helps to retrieve broker version information.",
    examples: &[(
        "What each broker serves",
        "--bootstrap-server localhost:9092",
    )],
    options: bootstrap_options,
    run,
    has_json: true,
};

/// Lowest and highest version by API key.
type Ranges = BTreeMap<i16, (i16, i16)>;

fn run(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    options.require(&["bootstrap-server"])?;
    let brokers = run_async(async {
        let admin = context.admin(options)?;
        let nodes = admin.describe_cluster().await?.nodes;
        let mut brokers = Vec::new();
        for node in nodes {
            let ranges = ranges_of(&admin, &node).await;
            brokers.push((node, ranges));
        }
        Ok(brokers)
    })?;
    if context.is_json() {
        let brokers: Vec<_> = brokers.iter().map(to_json).collect();
        return context.json(&brokers);
    }
    for (node, ranges) in brokers {
        let rack = node.rack.as_deref().unwrap_or("null");
        let (address, id) = (&node.address, node.id);
        let said = match ranges {
            Ok(ranges) => format!("(\n\t{}\n)", lines(&ranges).join(",\n\t")),
            Err(error) => format!("ERROR: {}", message_of(&error)),
        };
        context.line(format_args!(
            "{address} (id: {id} rack: {rack} isFenced: false) -> {said}"
        ))?;
    }
    Ok(())
}

async fn ranges_of(admin: &Admin, node: &Node) -> Result<Ranges, ClientError> {
    let cluster = admin.cluster();
    let what = "asking for API versions";
    let deadline = cluster.deadline(cluster.config().request_timeout);
    let connection = cluster
        .retry(what, deadline, || {
            cluster.connection_to(Target::Node(node.id))
        })
        .await?;
    let apis = connection.versions().response().api_keys.iter();
    let ranges = apis.map(|api| (api.api_key, (api.min_version, api.max_version)));
    Ok(ranges.collect())
}

/// A line per API, by key: those served, and those that Kafka knows and this broker does not.
fn lines(ranges: &Ranges) -> Vec<String> {
    let known = APIS.iter().map(|(key, _, _, _)| *key);
    let mut keys: Vec<i16> = ranges.keys().copied().chain(known).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter()
        .map(|key| line(key, ranges.get(&key)))
        .collect()
}

fn line(key: i16, served: Option<&(i16, i16)>) -> String {
    let known = APIS.iter().find(|(known, _, _, _)| *known == key);
    let name = known.map_or("UNKNOWN", |(_, name, _, _)| *name);
    let Some((min, max)) = served else {
        return format!("{name}({key}): UNSUPPORTED");
    };
    let range = if min == max {
        min.to_string()
    } else {
        format!("{min} to {max}")
    };
    let usable = match known {
        None => String::new(),
        Some((_, _, oldest, newest)) if max < oldest || newest < min => {
            let age = if max < oldest { "old" } else { "new" };
            format!(" [unusable: node too {age}]")
        }
        Some((_, _, _, newest)) => format!(" [usable: {}]", max.min(newest)),
    };
    format!("{name}({key}): {range}{usable}")
}

fn to_json((node, ranges): &(Node, Result<Ranges, ClientError>)) -> Value {
    let broker = json!({ "id": node.id, "host": node.address.host, "port": node.address.port });
    let said = match ranges {
        Ok(ranges) => {
            let apis = ranges.iter().map(|(key, (min, max))| {
                let known = APIS.iter().find(|(known, _, _, _)| known == key);
                let name = known.map(|(_, name, _, _)| *name);
                json!({ "key": key, "name": name, "min": min, "max": max })
            });
            json!({ "apis": apis.collect::<Vec<_>>() })
        }
        Err(error) => json!({ "error": message_of(error) }),
    };
    json!({ "broker": broker, "versions": said })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_what_is_served_and_usable() {
        assert_eq!(line(0, Some(&(0, 13))), "Produce(0): 0 to 13 [usable: 13]");
        assert_eq!(line(0, Some(&(3, 99))), "Produce(0): 3 to 99 [usable: 13]");
        assert_eq!(
            line(0, Some(&(0, 2))),
            "Produce(0): 0 to 2 [unusable: node too old]"
        );
        assert_eq!(
            line(0, Some(&(14, 14))),
            "Produce(0): 14 [unusable: node too new]"
        );
        assert_eq!(line(71, None), "GetTelemetrySubscriptions(71): UNSUPPORTED");
        assert_eq!(line(9999, Some(&(0, 1))), "UNKNOWN(9999): 0 to 1");
    }
}
