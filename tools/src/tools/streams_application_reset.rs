//! `kafka-streams-application-reset`: lets a Kafka Streams application that is stopped begin anew
//! (Kafka's `StreamsResetter`): offsets of its input topics, and its internal topics.

mod arguments;
mod positions;

use std::collections::BTreeSet;
use std::path::Path;

use regex::Regex;
use ringbrook_client::admin::{MemberToRemove, OffsetSpec};
use ringbrook_client::config::{AdminConfig, Properties};
use ringbrook_client::consumer::OffsetAndMetadata;
use ringbrook_client::{Admin, TopicPartition};
use ringbrook_protocol::ResponseError;

use self::arguments::{LISTS, check, options};
use self::positions::new_positions;
use super::consumer_groups::{Offsets, log_offsets, partitions_of};
use crate::frame::{
    Context, Failure, Options, Tool, in_java_order, partitions_in_java_order, run_async,
};

/// `kafka-streams-application-reset`.
pub const TOOL: Tool = Tool {
    name: "streams-application-reset",
    about: "This tool helps to quickly reset an application in order to reprocess its data from \
            scratch. Stop all its instances before, and clean up their local state after.",
    examples: &[
        (
            "What would be done",
            "--bootstrap-server localhost:9092 --application-id counts --input-topics orders \
             --dry-run",
        ),
        (
            "Begin with the first record again",
            "--bootstrap-server localhost:9092 --application-id counts --input-topics orders",
        ),
    ],
    options,
    run,
    has_json: false,
};

fn run(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    check(options)?;
    match run_async(reset(options, context)) {
        Err(failure) if failure.is_told() => {
            let text = failure.exception();
            Err(Failure::Message(format!("ERROR: {text}")))
        }
        done => done,
    }
}

async fn reset(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let mut file = options.text("command-config");
    if let Some(former) = options.text("config-file") {
        context.line(
            "Option --config-file has been deprecated and will be removed in a future version. \
             Use --command-config instead.",
        )?;
        file = Some(former);
    }
    let mut properties = match file {
        Some(path) => Properties::from_file(Path::new(path))?,
        None => Properties::new(),
    };
    let servers = options.text("bootstrap-server").unwrap_or("localhost:9092");
    properties.set("bootstrap.servers", servers);
    let config = context.lenient(properties, AdminConfig::from_properties)?;
    let admin = Admin::new(config)?;
    let group = options.text("application-id").unwrap_or_default();
    remove_members(&admin, group, options.has("force"), context).await?;
    let topics = admin.list_topics(false).await?;
    let topics: Vec<String> = topics.into_iter().map(|it| it.name).collect();
    let topics = in_java_order(topics, 16, String::as_str);
    if options.has("dry-run") {
        context.line(
            "----Dry run displays the actions which will be performed when running Streams Reset \
             Tool----",
        )?;
    }
    let lists = Lists::new(options);
    let is_complete = lists.seek(&admin, &topics, options, context).await?;
    lists
        .delete_internal(&admin, &topics, options, context)
        .await?;
    match is_complete {
        true => Ok(()),
        false => Err(Failure::Exit(1)),
    }
}

/// Fails if the application still runs, or throws its members out.
async fn remove_members(
    admin: &Admin,
    group: &str,
    is_forced: bool,
    context: &mut Context,
) -> Result<(), Failure> {
    let described = admin.describe_consumer_groups([group]).await;
    let members: Vec<String> = match described.only(&group.to_owned()) {
        Ok(description) => description
            .members
            .into_iter()
            .map(|it| it.member_id)
            .collect(),
        Err(error) if error.response_error() == Some(ResponseError::GroupIdNotFound) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    if members.is_empty() {
        return Ok(());
    }
    if !is_forced {
        return Err(Failure::Message(format!(
            "java.lang.IllegalStateException: Consumer group '{group}' is still active and has \
             following members: [{}]. Make sure to stop all running application instances before \
             running the reset tool. You can use option '--force' to remove active members from \
             the group.",
            members.join(", ")
        )));
    }
    context.line(format_args!(
        "Force deleting all active members in the group: {group}"
    ))?;
    let members = members.into_iter().map(MemberToRemove::Member);
    let reason = "the application is reset";
    let removed = admin
        .remove_members_from_consumer_group(group, members, reason)
        .await;
    for (_, result) in removed.into_map() {
        match result {
            // It has left by itself meanwhile.
            Err(error) if error.response_error() == Some(ResponseError::UnknownMemberId) => {}
            result => result?,
        }
    }
    Ok(())
}

/// The topics that options name.
struct Lists {
    application: String,
    input: Vec<String>,
    intermediate: Vec<String>,
    internal: Vec<String>,
}

impl Lists {
    fn new(options: &Options<'_>) -> Self {
        let [input, intermediate, internal] = LISTS.map(|name| {
            let texts = options.texts(name).into_iter();
            let names = texts.flat_map(|text| text.split(','));
            names.map(str::to_owned).collect()
        });
        Self {
            application: options
                .text("application-id")
                .unwrap_or_default()
                .to_owned(),
            input,
            intermediate,
            internal,
        }
    }

    /// Sets the offsets of input and intermediate topics; false if some of them are missing.
    async fn seek(
        &self,
        admin: &Admin,
        topics: &[String],
        options: &Options<'_>,
        context: &mut Context,
    ) -> Result<bool, Failure> {
        if !self.intermediate.is_empty() {
            context.line(
                "WARN: `--intermediate-topics` is deprecated and will be removed in a future \
                 release",
            )?;
        }
        if self.input.is_empty() && self.intermediate.is_empty() {
            context.line("No input or intermediate topics specified. Skipping seek.")?;
            return Ok(true);
        }
        for (what, names) in [
            ("Reset-offsets for input topics", &self.input),
            ("Seek-to-end for intermediate topics", &self.intermediate),
        ] {
            if !names.is_empty() {
                context.line(format_args!("{what} [{}]", names.join(", ")))?;
            }
        }
        let is_complete = self.tell_missing(topics, context)?;
        let there = |names: &[String]| -> BTreeSet<String> {
            let there = names.iter().filter(|name| topics.contains(name));
            there.cloned().collect()
        };
        let (input, intermediate) = (there(&self.input), there(&self.intermediate));
        if input.is_empty() && intermediate.is_empty() {
            return Ok(is_complete);
        }
        let mut offsets = Offsets::new();
        let partitions = async |names| -> Result<Vec<TopicPartition>, Failure> {
            let found = partitions_of(admin, names).await?.into_keys().collect();
            Ok(partitions_in_java_order(found, |partition| partition))
        };
        let input = partitions(input).await?;
        if !input.is_empty() {
            context.line(format_args!(
                "Following input topics offsets will be reset to (for consumer group {})",
                self.application
            ))?;
            offsets = new_positions(admin, &self.application, &input, options, context).await?;
            for partition in &input {
                context.line(format_args!(
                    "Topic: {} Partition: {} Offset: {}",
                    partition.topic,
                    partition.partition,
                    offsets.get(partition).copied().unwrap_or_default()
                ))?;
            }
        }
        let intermediate = partitions(intermediate).await?;
        if !intermediate.is_empty() {
            context.line(format_args!(
                "Following intermediate topics offsets will be reset to end (for consumer group \
                 {})",
                self.application
            ))?;
            for partition in &intermediate {
                context.line(format_args!("Topic: {}", partition.topic))?;
            }
            offsets.extend(log_offsets(admin, intermediate, OffsetSpec::Latest).await?);
        }
        if !options.has("dry-run") {
            self.commit(admin, offsets).await?;
        }
        context.line("Done.")?;
        Ok(is_complete)
    }

    async fn commit(&self, admin: &Admin, offsets: Offsets) -> Result<(), Failure> {
        let offsets = offsets
            .into_iter()
            .map(|(partition, offset)| (partition, OffsetAndMetadata::new(offset)));
        let altered = admin
            .alter_consumer_group_offsets(&self.application, &offsets.collect())
            .await;
        altered.all()?;
        Ok(())
    }

    fn tell_missing(&self, topics: &[String], context: &mut Context) -> Result<bool, Failure> {
        let mut is_complete = true;
        for (kind, blank, names) in [
            ("input", " ", &self.input),
            ("intermediate", "", &self.intermediate),
        ] {
            let missing: Vec<_> = names.iter().filter(|name| !topics.contains(name)).collect();
            if missing.is_empty() {
                continue;
            }
            is_complete = false;
            context.line(format_args!(
                "Following {kind} topics are not found, skipping them"
            ))?;
            for name in missing {
                context.line(format_args!("Topic:{blank}{name}"))?;
            }
        }
        Ok(is_complete)
    }

    async fn delete_internal(
        &self,
        admin: &Admin,
        topics: &[String],
        options: &Options<'_>,
        context: &mut Context,
    ) -> Result<(), Failure> {
        let inferred: Vec<&String> = topics
            .iter()
            .filter(|name| self.is_internal(name))
            .collect();
        let (how, names) = match self.internal.is_empty() {
            true => ("inferred", inferred),
            false if self.internal.iter().all(|name| inferred.contains(&name)) => {
                ("specified", self.internal.iter().collect())
            }
            false => {
                return Err(Failure::Message(
                    "java.lang.IllegalArgumentException: Invalid topic specified in the \
                     --internal-topics option. Ensure that the topics specified are all internal \
                     topics. Do a dry run without the --internal-topics option to see the list of \
                     all internal topics that can be deleted."
                        .to_owned(),
                ));
            }
        };
        let listed: Vec<_> = names.iter().map(|name| name.as_str()).collect();
        context.line(format_args!(
            "Deleting {how} internal topics [{}]",
            listed.join(", ")
        ))?;
        if !options.has("dry-run") {
            let mut has_failed = false;
            for (topic, result) in admin.delete_topics(listed).await.into_map() {
                if let Err(error) = result {
                    has_failed = true;
                    let why = Failure::from(error).exception();
                    context.warn(format_args!("ERROR: deleting topic {topic}\n{why}"));
                }
            }
            if has_failed {
                return Err(Failure::Message(
                    "java.lang.RuntimeException: Encountered an error deleting one or more topics"
                        .to_owned(),
                ));
            }
        }
        context.line("Done.")
    }

    /// Whether Kafka Streams has made the topic for this application, as its name tells.
    fn is_internal(&self, topic: &str) -> bool {
        let is_named = [&self.input, &self.intermediate]
            .iter()
            .any(|names| names.iter().any(|name| name == topic));
        let rest = topic.strip_prefix(&self.application);
        !is_named && rest.is_some_and(|rest| rest.starts_with('-')) && has_internal_form(topic)
    }
}

fn has_internal_form(topic: &str) -> bool {
    const ENDS: [&str; 4] = [
        "-changelog",
        "-repartition",
        "-subscription-registration-topic",
        "-subscription-response-topic",
    ];
    const JOIN: &str = r"^.+-KTABLE-FK-JOIN-SUBSCRIPTION-(REGISTRATION|RESPONSE)-\d+-topic$";
    ENDS.iter().any(|end| topic.ends_with(end))
        || Regex::new(JOIN).is_ok_and(|regex| regex.is_match(topic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_streams_has_made_is_internal() {
        let lists = Lists {
            application: "app".to_owned(),
            input: vec!["app-in-changelog".to_owned()],
            intermediate: vec!["app-mid-repartition".to_owned()],
            internal: Vec::new(),
        };
        for topic in [
            "app-store-changelog",
            "app-x-repartition",
            "app-KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-0000000007-topic",
        ] {
            assert!(lists.is_internal(topic), "{topic}");
        }
        for topic in [
            "app-in-changelog",
            "app-mid-repartition",
            "app-orders",
            "other-store-changelog",
            "application-store-changelog",
            "app-KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-x-topic",
        ] {
            assert!(!lists.is_internal(topic), "{topic}");
        }
    }
}
