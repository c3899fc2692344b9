//! `kafka-cluster`: the cluster's id and its brokers (Kafka's `ClusterTool`).

use clap::Command;
use ringbrook_client::ClientError;
use ringbrook_client::admin::{ClusterDescription, DescribeClusterOptions};
use serde_json::json;

use crate::frame::{Context, Failure, Options, Tool, bootstrap_options, flag, run_async, value};

/// `kafka-cluster`.
pub const TOOL: Tool = Tool {
    name: "cluster",
    about: "The Kafka cluster tool.",
    examples: &[
        (
            "The id of the cluster",
            "cluster-id --bootstrap-server localhost:9092",
        ),
        (
            "Its brokers, as JSON",
            "list-endpoints --bootstrap-server localhost:9092 --output json",
        ),
    ],
    options,
    run,
    has_json: true,
};

fn options(command: Command) -> Command {
    let subcommand = |name: &'static str, about: &'static str| {
        bootstrap_options(Command::new(name).about(about))
            .infer_long_args(true)
            .mut_arg("bootstrap-server", |arg| arg.short('b'))
            .mut_arg("command-config", |arg| arg.short('c'))
            .arg(value(
                "config",
                "file",
                "DEPRECATED: use --command-config instead.",
            ))
    };
    command
        .subcommand(subcommand(
            "cluster-id",
            "Get information about the ID of a cluster.",
        ))
        .subcommand(subcommand("list-endpoints", "List endpoints").arg(flag(
            "include-fenced-brokers",
            "Whether to include fenced brokers when listing broker endpoints",
        )))
        .subcommand(
            subcommand("unregister", "Unregister a broker.")
                .arg(value("id", "id", "The ID of the broker to unregister.").short('i')),
        )
}

fn run(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let Some((name, options)) = options.subcommand() else {
        return Err(Failure::Usage("too few arguments".to_owned()));
    };
    if !options.has("bootstrap-server") {
        return Err(Failure::Usage(
            "one of the arguments --bootstrap-server -b is required".to_owned(),
        ));
    }
    if options.has("config") {
        return Err(Failure::Usage(
            "--config is deprecated: use --command-config instead".to_owned(),
        ));
    }
    if name == "unregister" {
        let id = options.number::<i32>("id")?;
        let id = id.ok_or_else(|| Failure::Usage("argument --id/-i is required".to_owned()))?;
        return run_async(unregister(id, &options, context));
    }
    let how = DescribeClusterOptions {
        include_fenced_brokers: name == "list-endpoints" && options.has("include-fenced-brokers"),
        ..DescribeClusterOptions::default()
    };
    let description = run_async(async {
        let admin = context.admin(&options)?;
        Ok(admin.describe_cluster_with(how).await?)
    })?;
    if name == "cluster-id" {
        return tell_id(&description.cluster_id, context);
    }
    tell_endpoints(&description, context)
}

async fn unregister(id: i32, options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let admin = context.admin(options)?;
    match admin.unregister_broker(id).await {
        Ok(()) if context.is_json() => context.json(&json!({ "unregistered": id })),
        Ok(()) => context.line(format_args!("Broker {id} is no longer registered.")),
        Err(error @ ClientError::UnsupportedVersion { .. }) => {
            context.warn(error);
            context.line("The target cluster does not support the broker unregistration API.")
        }
        Err(error) => Err(Failure::Message(Failure::from(error).exception())),
    }
}

fn tell_id(id: &str, context: &mut Context) -> Result<(), Failure> {
    if context.is_json() {
        return context.json(&json!({ "cluster_id": id }));
    }
    context.line(format_args!("Cluster ID: {id}"))
}

fn tell_endpoints(cluster: &ClusterDescription, context: &mut Context) -> Result<(), Failure> {
    let nodes = &cluster.nodes;
    if context.is_json() {
        let endpoints = nodes.iter().map(|node| {
            json!({
                "id": node.id,
                "host": node.address.host,
                "port": node.address.port,
                "rack": node.rack,
                "fenced": cluster.fenced.contains(&node.id),
            })
        });
        return context.json(&endpoints.collect::<Vec<_>>());
    }
    let hosts = nodes.iter().map(|node| node.address.host.len());
    let host_len = hosts.max().unwrap_or(100);
    let racks = nodes.iter().filter_map(|node| node.rack.as_ref());
    let rack_len = racks.map(String::len).max().unwrap_or(10);
    let mut row = |id: &str, host: &str, port: &str, rack: &str, state: &str, endpoint: &str| {
        context.line(format_args!(
            "{id:<10} {host:<host_len$} {port:<10} {rack:<rack_len$} {state:<10} {endpoint:<15}"
        ))
    };
    row("ID", "HOST", "PORT", "RACK", "STATE", "ENDPOINT_TYPE")?;
    for node in nodes {
        let (id, port) = (node.id.to_string(), node.address.port.to_string());
        let rack = node.rack.as_deref().unwrap_or("null");
        let state = match cluster.fenced.contains(&node.id) {
            true => "fenced",
            false => "unfenced",
        };
        row(&id, &node.address.host, &port, rack, state, "broker")?;
    }
    Ok(())
}
