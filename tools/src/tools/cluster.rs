//! `kafka-cluster`: the cluster's id and its brokers (Kafka's `ClusterTool`).

use clap::Command;
use ringbrook_client::metadata::Node;
use serde_json::json;

use crate::frame::{Context, Failure, Options, Tool, bootstrap_options, run_async, value};

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
        .subcommand(subcommand("list-endpoints", "List endpoints"))
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
    let description = run_async(async {
        let admin = context.admin(&options)?;
        Ok(admin.describe_cluster().await?)
    })?;
    if name == "cluster-id" {
        return tell_id(&description.cluster_id, context);
    }
    tell_endpoints(&description.nodes, context)
}

fn tell_id(id: &str, context: &mut Context) -> Result<(), Failure> {
    if context.is_json() {
        return context.json(&json!({ "cluster_id": id }));
    }
    context.line(format_args!("Cluster ID: {id}"))
}

fn tell_endpoints(nodes: &[Node], context: &mut Context) -> Result<(), Failure> {
    if context.is_json() {
        let endpoints = nodes.iter().map(|node| {
            json!({
                "id": node.id,
                "host": node.address.host,
                "port": node.address.port,
                "rack": node.rack,
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
        row(&id, &node.address.host, &port, rack, "unfenced", "broker")?;
    }
    Ok(())
}
