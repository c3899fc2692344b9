//! `kafka-configs`: configurations of topics, brokers, groups, client metrics, users, clients and
//! IP addresses (Kafka's `ConfigCommand`).

mod changes;
mod entity;
mod quotas;
mod resources;

use clap::{Arg, Command};

use self::changes::Changes;
use self::entity::Entities;
use crate::frame::{
    Context, Failure, Options, Tool, bootstrap_options, flag, run_async, value, values,
};

/// `kafka-configs`.
pub const TOOL: Tool = Tool {
    name: "configs",
    about: "This tool helps to manipulate and describe entity config for a topic, client, user, \
            broker, ip, client-metrics or group",
    examples: &[
        (
            "What is set for a topic, and with --all also what is not",
            "--bootstrap-server localhost:9092 --describe --topic orders --all",
        ),
        (
            "Keep records for a day, and only the last of each key",
            "--bootstrap-server localhost:9092 --alter --topic orders --add-config \
             retention.ms=86400000,cleanup.policy=[compact,delete]",
        ),
        (
            "Back to the default",
            "--bootstrap-server localhost:9092 --alter --topic orders --delete-config retention.ms",
        ),
        (
            "What is set for all brokers while they run",
            "--bootstrap-server localhost:9092 --describe --broker-defaults",
        ),
    ],
    options,
    run,
    has_json: true,
};

fn options(command: Command) -> Command {
    let actions = [
        value(
            "bootstrap-controller",
            "controller to connect to",
            "The Kafka controllers to connect to.",
        ),
        flag("alter", "Alter the configuration for the entity."),
        flag("describe", "List configs for the given entity."),
        flag(
            "all",
            "List all configs for the given entity, including static configs if available.",
        ),
        value(
            "add-config",
            "name=value,...",
            "Configs to set. Square brackets hold values with commas: 'k1=v1,k2=[v1,v2]'.",
        ),
        value(
            "add-config-file",
            "file",
            "A properties file with configs to set.",
        ),
        values("delete-config", "name,...", "Configs to remove.").value_delimiter(','),
    ];
    bootstrap_options(command)
        .args(actions)
        .args(entity_options())
}

fn entity_options() -> [Arg; 15] {
    [
        values(
            "entity-type",
            "type",
            "Type of entity (topics/clients/users/brokers/broker-loggers/ips/client-metrics/\
             groups)",
        ),
        values("entity-name", "name", "Name of entity."),
        flag(
            "entity-default",
            "The default for clients, users, brokers or ips.",
        ),
        value("topic", "name", "The topic's name."),
        value("client", "id", "The client's ID."),
        flag("client-defaults", "The config defaults for all clients."),
        value("user", "name", "The user's principal name."),
        flag("user-defaults", "The config defaults for all users."),
        value("broker", "id", "The broker's ID."),
        flag("broker-defaults", "The config defaults for all brokers."),
        value(
            "broker-logger",
            "id",
            "The broker's ID for its logger config.",
        ),
        flag("ip-defaults", "The config defaults for all IPs."),
        value("ip", "address", "The IP address."),
        value("group", "id", "The group's ID."),
        value(
            "client-metrics",
            "name",
            "The client metrics config resource name.",
        ),
    ]
}

fn run(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let entities = Entities::of(options)?;
    let done = run_async(async {
        let admin = context.admin(options)?;
        if options.has("alter") {
            let changes = Changes::of(options)?;
            if quotas::has_quotas(entities.kind()) {
                return quotas::alter(&admin, &entities, &changes, context).await;
            }
            resources::alter(&admin, &entities, &changes, context).await
        } else if quotas::has_quotas(entities.kind()) {
            quotas::describe(&admin, &entities, context).await
        } else {
            resources::describe(&admin, &entities, options.has("all"), context).await
        }
    });
    match done {
        Err(failure @ Failure::Client(_)) => {
            let arguments = context.arguments().join(" ");
            context.warn(format!(
                "Error while executing config command with args '{arguments}'\n{}",
                failure.exception()
            ));
            Err(Failure::Exit(1))
        }
        done => done,
    }
}
