//! Topics, brokers, their loggers, groups and client metrics: what has a configuration as such.

use std::collections::{BTreeMap, BTreeSet};

use ringbrook_client::Admin;
use ringbrook_client::admin::{
    ConfigEntry, ConfigResource, ConfigResourceType, ConfigSource, DescribeConfigsOptions,
    ListGroupsOptions,
};
use serde_json::{Value, json};

use super::changes::Changes;
use super::entity::Entities;
use crate::frame::{Context, Failure, in_java_order};

fn resource_type(kind: &str) -> Result<ConfigResourceType, Failure> {
    match kind {
        "topics" => Ok(ConfigResourceType::Topic),
        "brokers" => Ok(ConfigResourceType::Broker),
        "broker-loggers" => Ok(ConfigResourceType::BrokerLogger),
        "client-metrics" => Ok(ConfigResourceType::ClientMetrics),
        "groups" => Ok(ConfigResourceType::Group),
        kind => Err(Failure::Message(format!("Unsupported entity type: {kind}"))),
    }
}

/// `topic` for `topics`, as Kafka does it: without the last letter.
fn singular(kind: &str) -> &str {
    let mut letters = kind.chars();
    letters.next_back();
    letters.as_str()
}

/// Sets and removes configurations.
pub(super) async fn alter(
    admin: &Admin,
    entities: &Entities,
    changes: &Changes,
    context: &mut Context,
) -> Result<(), Failure> {
    let kind = entities.kind();
    let name = entities.name().unwrap_or_default();
    let resource = ConfigResource::new(resource_type(kind)?, name);
    if kind == "broker-loggers" {
        check_loggers(admin, &resource, changes).await?;
    }
    let altered = BTreeMap::from([(resource, changes.operations())]);
    admin
        .incremental_alter_configs(&altered, false)
        .await
        .all()?;
    tell_altered(entities, changes, context)
}

/// Says that it is done.
pub(super) fn tell_altered(
    entities: &Entities,
    changes: &Changes,
    context: &mut Context,
) -> Result<(), Failure> {
    let kind = entities.kind();
    let name = entities.name().unwrap_or_default();
    if context.is_json() {
        return context.json(&json!({
            "type": kind, "name": name, "set": changes.set, "removed": changes.removed,
        }));
    }
    if name.is_empty() {
        return context.line(format_args!(
            "Completed updating default config for {kind} in the cluster."
        ));
    }
    let kind = singular(kind);
    context.line(format_args!("Completed updating config for {kind} {name}."))
}

async fn check_loggers(
    admin: &Admin,
    resource: &ConfigResource,
    changes: &Changes,
) -> Result<(), Failure> {
    let known = entries(admin, resource, false).await?;
    let is_known = |name: &&String| known.iter().any(|entry| entry.name == **name);
    let named = changes.removed.iter().chain(changes.set.keys());
    let unknown: Vec<&str> = named
        .filter(|name| !is_known(name))
        .map(String::as_str)
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Failure::Message(format!(
        "Invalid broker logger(s): {}",
        unknown.join(",")
    )))
}

/// Prints configurations: with `all` also those that nobody has set.
pub(super) async fn describe(
    admin: &Admin,
    entities: &Entities,
    all: bool,
    context: &mut Context,
) -> Result<(), Failure> {
    let kind = entities.kind();
    let kind_id = resource_type(kind)?;
    if let Some(name) = entities.name()
        && !all
        && !exists(admin, kind_id, name).await?
    {
        let kind = singular(kind);
        return context.line(format_args!(
            "The {kind} '{name}' doesn't exist and doesn't have dynamic config."
        ));
    }
    let names = match entities.name() {
        Some(name) => vec![name.to_owned()],
        None => all_names(admin, kind_id).await?,
    };
    let mut documents = Vec::new();
    for name in names {
        let resource = ConfigResource::new(kind_id, name);
        if !context.is_json() {
            context.line(heading(kind, &resource.name, all))?;
        }
        let mut entries = entries(admin, &resource, true).await?;
        if !all && let Some(source) = dynamic_source(&resource) {
            entries.retain(|entry| entry.source == source);
        }
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        if context.is_json() {
            documents.push(to_json(kind, &resource.name, &entries));
            continue;
        }
        entries
            .iter()
            .try_for_each(|entry| context.line(entry_line(entry)))?;
    }
    if context.is_json() {
        return context.json(&documents);
    }
    Ok(())
}

async fn entries(
    admin: &Admin,
    resource: &ConfigResource,
    include_synonyms: bool,
) -> Result<Vec<ConfigEntry>, Failure> {
    let how = DescribeConfigsOptions {
        include_synonyms,
        ..DescribeConfigsOptions::default()
    };
    let described = admin.describe_configs([resource.clone()], how).await;
    Ok(described.only(resource)?)
}

async fn exists(admin: &Admin, kind: ConfigResourceType, name: &str) -> Result<bool, Failure> {
    if kind != ConfigResourceType::Topic && name.is_empty() {
        return Ok(true);
    }
    Ok(all_names(admin, kind).await?.iter().any(|it| it == name))
}

async fn all_names(admin: &Admin, kind: ConfigResourceType) -> Result<Vec<String>, Failure> {
    match kind {
        ConfigResourceType::Topic => {
            let topics = admin.list_topics(true).await?;
            let names = topics.into_iter().map(|topic| topic.name).collect();
            Ok(in_java_order(names, 16, String::as_str))
        }
        ConfigResourceType::Broker | ConfigResourceType::BrokerLogger => {
            let nodes = admin.describe_cluster().await?.nodes;
            let mut names: Vec<_> = nodes.iter().map(|node| node.id.to_string()).collect();
            names.push(String::new());
            Ok(names)
        }
        kind => {
            let resources = admin.list_config_resources(&[kind]).await?;
            let mut names: BTreeSet<_> = resources.into_iter().map(|it| it.name).collect();
            if kind == ConfigResourceType::Group {
                // Also those that nothing is set for.
                let groups = admin.list_groups(&ListGroupsOptions::default()).await?;
                names.extend(groups.all()?.into_iter().map(|group| group.group_id));
            }
            Ok(names.into_iter().collect())
        }
    }
}

/// Where what is set for just this resource comes from; nothing if all of it does.
fn dynamic_source(resource: &ConfigResource) -> Option<ConfigSource> {
    match resource.kind {
        ConfigResourceType::Topic => Some(ConfigSource::DynamicTopicConfig),
        ConfigResourceType::Broker if resource.name.is_empty() => {
            Some(ConfigSource::DynamicDefaultBrokerConfig)
        }
        ConfigResourceType::Broker => Some(ConfigSource::DynamicBrokerConfig),
        ConfigResourceType::ClientMetrics => Some(ConfigSource::DynamicClientMetricsConfig),
        ConfigResourceType::Group => Some(ConfigSource::DynamicGroupConfig),
        _ => None,
    }
}

fn heading(kind: &str, name: &str, all: bool) -> String {
    if name.is_empty() {
        return format!("Default configs for {kind} in the cluster are:");
    }
    let which = if all { "All" } else { "Dynamic" };
    format!("{which} configs for {} {name} are:", singular(kind))
}

fn entry_line(entry: &ConfigEntry) -> String {
    let value = |value: &Option<String>| value.as_deref().unwrap_or("null").to_owned();
    let synonyms = entry.synonyms.iter().map(|synonym| {
        let source = synonym.source.name();
        format!("{source}:{}={}", synonym.name, value(&synonym.value))
    });
    format!(
        "  {}={} sensitive={} synonyms={{{}}}",
        entry.name,
        value(&entry.value),
        entry.is_sensitive,
        synonyms.collect::<Vec<_>>().join(", ")
    )
}

fn to_json(kind: &str, name: &str, entries: &[ConfigEntry]) -> Value {
    let entries = entries.iter().map(|entry| {
        json!({
            "name": entry.name,
            "value": entry.value,
            "source": entry.source.name(),
            "sensitive": entry.is_sensitive,
            "read_only": entry.is_read_only,
        })
    });
    json!({ "type": kind, "name": name, "configs": entries.collect::<Vec<_>>() })
}
