//! `kafka-groups`: all groups of the cluster, of whatever type (Kafka's `GroupsCommand`).

use clap::Command;
use ringbrook_client::admin::{GroupListing, GroupType, ListGroupsOptions};
use serde_json::json;

use crate::frame::{Context, Failure, Options, Tool, bootstrap_options, flag, run_async, value};

/// `kafka-groups`.
pub const TOOL: Tool = Tool {
    name: "groups",
    about: "This tool helps to list groups of all types.",
    examples: &[
        ("All groups", "--bootstrap-server localhost:9092 --list"),
        (
            "Those that consume, of either protocol",
            "--bootstrap-server localhost:9092 --list --consumer",
        ),
    ],
    options,
    run,
    has_json: true,
};

fn options(command: Command) -> Command {
    bootstrap_options(command)
        .arg(flag("list", "List the groups."))
        .arg(value(
            "group-type",
            "type",
            "Only groups of this type: classic, consumer, share or streams.",
        ))
        .arg(value(
            "protocol",
            "protocol",
            "Only groups of this protocol type, such as consumer or connect.",
        ))
        .arg(flag(
            "consumer",
            "Only consumer groups, also classic ones and those that only commit offsets.",
        ))
        .arg(flag("share", "Only share groups."))
        .arg(flag("streams", "Only streams groups."))
}

/// Which groups are shown.
#[derive(Debug, Default)]
struct Filter {
    group_type: Option<GroupType>,
    protocol: Option<String>,
    consumer: bool,
    share: bool,
    streams: bool,
}

impl Filter {
    fn new(options: &Options<'_>) -> Result<Self, Failure> {
        let group_type = options.text("group-type").map(GroupType::of_name);
        if let Some(GroupType::Unknown(_)) = group_type {
            return Err(Failure::Message(
                "--group-type must be a valid group type.".to_owned(),
            ));
        }
        options.exclude("consumer", &["group-type", "protocol", "share", "streams"])?;
        options.exclude("share", &["consumer", "group-type", "protocol", "streams"])?;
        options.exclude("streams", &["consumer", "group-type", "protocol", "share"])?;
        Ok(Self {
            group_type,
            protocol: options.text("protocol").map(str::to_owned),
            consumer: options.has("consumer"),
            share: options.has("share"),
            streams: options.has("streams"),
        })
    }

    fn has(&self, group: &GroupListing) -> bool {
        let is_of_protocol = |wanted: &String| *wanted == group.protocol_type;
        if let Some(group_type) = &self.group_type {
            return group.group_type == *group_type
                && self.protocol.as_ref().is_none_or(is_of_protocol);
        }
        if let Some(protocol) = &self.protocol {
            return is_of_protocol(protocol);
        }
        if self.consumer {
            return group.protocol_type == "consumer"
                || group.protocol_type.is_empty()
                || group.group_type == GroupType::Consumer;
        }
        if self.share {
            return group.group_type == GroupType::Share;
        }
        !self.streams || group.group_type == GroupType::Streams
    }
}

fn run(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    if !options.has("bootstrap-server") {
        return Err(Failure::Usage(
            "Missing required option(s) [bootstrap-server]".to_owned(),
        ));
    }
    if !options.has("list") {
        return Err(Failure::Usage(
            "Command must include exactly one action: --list.".to_owned(),
        ));
    }
    let filter = Filter::new(options)?;
    let listed = run_async(async {
        let admin = context.admin(options)?;
        let listed = admin.list_groups(&ListGroupsOptions::default()).await?;
        Ok(listed.all()?)
    });
    let mut groups = match listed {
        Ok(groups) => groups,
        Err(failure) if failure.is_told() => {
            context.line(format_args!(
                "Error while executing groups command : {failure}"
            ))?;
            return Err(Failure::Exit(1));
        }
        Err(failure) => return Err(failure),
    };
    groups.retain(|group| filter.has(group));
    if context.is_json() {
        let groups = groups.iter().map(|group| {
            json!({
                "group": group.group_id,
                "type": group.group_type.name(),
                "protocol": group.protocol_type,
            })
        });
        return context.json(&groups.collect::<Vec<_>>());
    }
    table(&groups)
        .iter()
        .try_for_each(|line| context.line(line))
}

/// Three columns, all as wide as the longest text in them.
fn table(groups: &[GroupListing]) -> Vec<String> {
    let texts = |group: &GroupListing| {
        let of_type = match &group.group_type {
            GroupType::Unknown(_) => "",
            group_type => group_type.name(),
        };
        [
            group.group_id.clone(),
            of_type.to_owned(),
            group.protocol_type.clone(),
        ]
    };
    let rows: Vec<_> = groups.iter().map(texts).collect();
    let lengths = rows.iter().flatten().map(|text| text.chars().count());
    let width = lengths.fold(20, usize::max);
    let header = format!(
        "{:<width$} {:<width$} {:<width$}",
        "GROUP", "TYPE", "PROTOCOL"
    );
    let lines = rows.iter().map(|[group, group_type, protocol]| {
        format!("{group:<width$} {group_type:<width$} {protocol:<width$} ")
    });
    std::iter::once(header).chain(lines).collect()
}

#[cfg(test)]
mod tests;
