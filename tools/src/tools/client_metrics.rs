//! `kafka-client-metrics`: which metrics clients send to brokers (Kafka's `ClientMetricsCommand`,
//! KIP-714).

use std::collections::BTreeMap;

use clap::Command;
use ringbrook_client::Admin;
use ringbrook_client::admin::{
    AlterConfigOp, ConfigEntry, ConfigResource, ConfigResourceType, DescribeConfigsOptions,
};
use serde_json::json;

use crate::frame::{
    Context, Failure, Options, Tool, bootstrap_options, flag, run_async, uuid_text, value, values,
};

/// `kafka-client-metrics`.
pub const TOOL: Tool = Tool {
    name: "client-metrics",
    about: "This tool helps to manipulate and describe client metrics configurations.",
    examples: &[
        (
            "All metrics of the consumers of a program, every minute",
            "--bootstrap-server localhost:9092 --alter --name shop --metrics \
             org.apache.kafka.consumer. --match client_id=shop-.* --interval 60000",
        ),
        (
            "What is set",
            "--bootstrap-server localhost:9092 --describe",
        ),
        (
            "No more of it",
            "--bootstrap-server localhost:9092 --delete --name shop",
        ),
    ],
    options,
    run,
    has_json: true,
};

fn options(command: Command) -> Command {
    bootstrap_options(command).args([
        flag(
            "alter",
            "Alter the configuration for the client metrics resource.",
        ),
        flag(
            "delete",
            "Delete the configuration for the client metrics resource.",
        ),
        flag(
            "describe",
            "List configurations for the client metrics resource.",
        ),
        flag("list", "List the client metrics resources."),
        value(
            "name",
            "name",
            "Name of client metrics configuration resource.",
        ),
        flag("generate-name", "Generate a UUID to use as the name."),
        value(
            "interval",
            "push interval",
            "The metrics push interval in milliseconds.",
        ),
        values(
            "match",
            "k1=v1,k2=v2",
            "Which clients: client_id, client_instance_id, client_software_name, \
             client_software_version, client_source_address or client_source_port, and a regular \
             expression for each.",
        ),
        values(
            "metrics",
            "m1,m2",
            "Beginnings of the names of metrics; '*' for all.",
        ),
    ])
}

fn run(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    check(options)?;
    let done = run_async(async {
        let admin = context.admin(options)?;
        if options.has("alter") {
            alter(&admin, options, context).await
        } else if options.has("describe") {
            describe(&admin, options.text("name"), context).await
        } else if let Some(name) = options.text("name").filter(|_| options.has("delete")) {
            delete(&admin, name, context).await
        } else {
            list(&admin, context).await
        }
    });
    match done {
        Err(failure) if failure.is_told() => {
            // Kafka's tool writes its errors to standard output.
            context.line(format_args!(
                "Error while executing client metrics command : {failure}"
            ))?;
            Err(Failure::Exit(1))
        }
        done => done,
    }
}

fn check(options: &Options<'_>) -> Result<(), Failure> {
    if options.count(&["alter", "delete", "describe", "list"]) != 1 {
        return Err(Failure::Usage(
            "Command must include exactly one action: --alter, --delete, --describe or --list."
                .to_owned(),
        ));
    }
    let wrong = |text: &str| Err(Failure::Message(text.to_owned()));
    if !options.has("bootstrap-server") {
        return wrong("--bootstrap-server must be specified.");
    }
    let interval = options.text("interval").filter(|text| !text.is_empty());
    if interval.is_some_and(|text| text.parse::<i32>().is_err()) {
        return wrong("Invalid interval value. Enter an integer, or leave empty to reset.");
    }
    let of_alter = ["generate-name", "interval", "match", "metrics"];
    options.exclude("delete", &of_alter)?;
    options.exclude("describe", &of_alter)?;
    options.exclude("list", &["name"])?;
    options.exclude("list", &of_alter)?;
    if options.has("alter") && options.count(&["name", "generate-name"]) != 1 {
        return wrong("One of --name or --generate-name must be specified with --alter.");
    }
    if options.has("delete") && !options.has("name") {
        return wrong("A client metrics resource name must be specified with --delete.");
    }
    Ok(())
}

async fn alter(admin: &Admin, options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let name = match options.text("name") {
        Some(name) => name.to_owned(),
        None => uuid_text(uuid::Uuid::new_v4()),
    };
    let mut changes = Vec::new();
    for (option, config) in [
        ("interval", "interval.ms"),
        ("metrics", "metrics"),
        ("match", "match"),
    ] {
        if options.has(option) {
            let value = options.texts(option).join(",");
            changes.push(match value.is_empty() {
                true => AlterConfigOp::delete(config),
                false => AlterConfigOp::set(config, value),
            });
        }
    }
    change(admin, &name, changes).await?;
    if context.is_json() {
        return context.json(&json!({ "name": name }));
    }
    context.line(format_args!("Altered client metrics config for {name}."))
}

async fn delete(admin: &Admin, name: &str, context: &mut Context) -> Result<(), Failure> {
    let entries = entries(admin, name).await?;
    let entries = entries.iter();
    let removals = entries.map(|entry| AlterConfigOp::delete(&entry.name));
    change(admin, name, removals.collect()).await?;
    if context.is_json() {
        return context.json(&json!({ "name": name }));
    }
    context.line(format_args!("Deleted client metrics config for {name}."))
}

async fn describe(admin: &Admin, name: Option<&str>, context: &mut Context) -> Result<(), Failure> {
    let names = match name {
        Some(name) => {
            if !names(admin).await?.iter().any(|it| it == name) {
                return context.line(format_args!(
                    "The client metric resource {name} doesn't exist and doesn't have dynamic \
                     config."
                ));
            }
            vec![name.to_owned()]
        }
        None => names(admin).await?,
    };
    let mut documents = serde_json::Map::new();
    for name in names {
        let entries = entries(admin, &name).await?;
        if context.is_json() {
            let entries = entries.into_iter();
            let entries = entries.map(|entry| (entry.name, entry.value.into()));
            documents.insert(name, serde_json::Map::from_iter(entries).into());
            continue;
        }
        context.line(format_args!("Client metrics configs for {name} are:"))?;
        for entry in entries {
            let value = entry.value.as_deref().unwrap_or("null");
            context.line(format_args!("  {}={value}", entry.name))?;
        }
    }
    if context.is_json() {
        return context.json(&documents);
    }
    Ok(())
}

async fn list(admin: &Admin, context: &mut Context) -> Result<(), Failure> {
    let names = names(admin).await?;
    if context.is_json() {
        return context.json(&names);
    }
    context.line(names.join("\n"))
}

async fn names(admin: &Admin) -> Result<Vec<String>, Failure> {
    let resources = admin.list_config_resources(&[ConfigResourceType::ClientMetrics]);
    Ok(resources.await?.into_iter().map(|it| it.name).collect())
}

async fn entries(admin: &Admin, name: &str) -> Result<Vec<ConfigEntry>, Failure> {
    let resource = ConfigResource::new(ConfigResourceType::ClientMetrics, name);
    let options = DescribeConfigsOptions::default();
    let described = admin.describe_configs([resource.clone()], options).await;
    Ok(described.only(&resource)?)
}

async fn change(admin: &Admin, name: &str, changes: Vec<AlterConfigOp>) -> Result<(), Failure> {
    let resource = ConfigResource::new(ConfigResourceType::ClientMetrics, name);
    let changes = BTreeMap::from([(resource.clone(), changes)]);
    let altered = admin.incremental_alter_configs(&changes, false).await;
    Ok(altered.only(&resource)?)
}
