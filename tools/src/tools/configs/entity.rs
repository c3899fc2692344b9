//! Whose configuration: `--topic t`, or `--entity-type topics --entity-name t`.

use std::net::ToSocketAddrs;

use crate::frame::{Failure, Options};

/// Kinds of entities, in the order of Kafka's messages.
const KINDS: [&str; 8] = [
    "topics",
    "clients",
    "users",
    "brokers",
    "ips",
    "client-metrics",
    "groups",
    "broker-loggers",
];

/// Options that name an entity, and its kind.
const FLAGS: [(&str, &str); 8] = [
    ("topic", "topics"),
    ("client", "clients"),
    ("user", "users"),
    ("broker", "brokers"),
    ("broker-logger", "broker-loggers"),
    ("ip", "ips"),
    ("client-metrics", "client-metrics"),
    ("group", "groups"),
];

const DEFAULT_FLAGS: [(&str, &str); 4] = [
    ("client-defaults", "clients"),
    ("user-defaults", "users"),
    ("broker-defaults", "brokers"),
    ("ip-defaults", "ips"),
];

/// Kinds that have a default for all that have nothing of their own.
const WITH_DEFAULTS: [&str; 4] = ["users", "clients", "brokers", "ips"];

/// What is described or altered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entities {
    /// One, or users and clients.
    pub(super) kinds: Vec<String>,
    /// One for each kind or fewer; an empty one stands for the default.
    pub(super) names: Vec<String>,
}

impl Entities {
    /// From the options, checked.
    pub(super) fn of(options: &Options<'_>) -> Result<Self, Failure> {
        if options.count(&["alter", "describe"]) != 1 {
            return Err(Failure::Usage(
                "Command must include exactly one action: --describe, --alter".to_owned(),
            ));
        }
        options.exclude("describe", &["add-config", "delete-config"])?;
        let entities = Self {
            kinds: kinds(options),
            names: names(options),
        };
        entities.check_kinds(options)?;
        entities.check_names(options)?;
        if options.has("describe") {
            entities.check_describe(options)?;
        } else {
            entities.check_alter(options)?;
        }
        Ok(entities)
    }

    /// The first kind: there is at least one.
    pub(super) fn kind(&self) -> &str {
        self.kinds.first().map_or("", String::as_str)
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.names.first().map(String::as_str)
    }

    fn has_kind(&self, kind: &str) -> bool {
        self.kinds.iter().any(|it| it == kind)
    }

    fn has_name(&self) -> bool {
        self.names.iter().any(|name| !name.is_empty())
    }

    fn has_default(&self) -> bool {
        self.names.iter().any(String::is_empty)
    }

    fn check_kinds(&self, options: &Options<'_>) -> Result<(), Failure> {
        let wrong = |text: &str| Err(Failure::Message(text.to_owned()));
        let kinds = &self.kinds;
        let twice = (1..)
            .zip(kinds)
            .find(|(next, kind)| kinds.iter().skip(*next).any(|it| it == *kind));
        if let Some((_, kind)) = twice {
            return wrong(&format!("Duplicate entity type(s) specified: {kind}"));
        }
        if options.count(&["bootstrap-server", "bootstrap-controller"]) == 0 {
            return wrong("Either --bootstrap-server or --bootstrap-controller must be specified.");
        }
        if let Some(kind) = kinds.iter().find(|kind| !KINDS.contains(&kind.as_str())) {
            return wrong(&format!(
                "Invalid entity type {kind}, the entity type must be one of {} with a \
                 --bootstrap-server or --bootstrap-controller argument",
                KINDS.join(", ")
            ));
        }
        if kinds.is_empty() {
            return wrong("At least one entity type must be specified");
        }
        if 1 < kinds.len()
            && !(kinds.len() == 2 && self.has_kind("users") && self.has_kind("clients"))
        {
            return wrong("Only 'users' and 'clients' entity types may be specified together");
        }
        let by_kind = options.count(&["entity-name", "entity-type", "entity-default"]);
        let flags = FLAGS.iter().chain(&DEFAULT_FLAGS);
        if 0 < by_kind && flags.clone().any(|(flag, _)| options.has(flag)) {
            return wrong(
                "--entity-{type,name,default} should not be used in conjunction with specific \
                 entity flags",
            );
        }
        if options.has("bootstrap-controller") {
            return wrong("rbk does not talk to controllers: use --bootstrap-server with a broker");
        }
        Ok(())
    }

    fn check_names(&self, options: &Options<'_>) -> Result<(), Failure> {
        let kind = self.kind();
        let given = |names: &[&str]| {
            let given = names
                .iter()
                .filter_map(|name| options.texts(name).first().copied());
            given.collect::<Vec<_>>()
        };
        if self.has_kind("brokers") || self.has_kind("broker-loggers") {
            for id in given(&["entity-name", "broker", "broker-logger"]) {
                if id.parse::<i32>().is_err() {
                    return Err(Failure::Message(format!(
                        "The entity name for {kind} must be a valid integer broker id, but it \
                         is: {id}"
                    )));
                }
            }
        }
        if self.has_kind("ips") {
            for ip in given(&["entity-name", "ip"]) {
                if (ip, 0).to_socket_addrs().is_err() {
                    return Err(Failure::Message(format!(
                        "The entity name for {kind} must be a valid IP or resolvable host, but \
                         it is: {ip}"
                    )));
                }
            }
        }
        Ok(())
    }

    fn check_describe(&self, options: &Options<'_>) -> Result<(), Failure> {
        let has_defaults = WITH_DEFAULTS.iter().any(|kind| self.has_kind(kind));
        if !has_defaults && options.has("entity-default") {
            return Err(Failure::Message(format!(
                "--entity-default must not be specified with --describe of {}",
                self.kinds.join(",")
            )));
        }
        if self.has_kind("broker-loggers") && !self.has_name() {
            return Err(Failure::Message(format!(
                "An entity name must be specified with --describe of {}",
                self.kinds.join(",")
            )));
        }
        Ok(())
    }

    fn check_alter(&self, options: &Options<'_>) -> Result<(), Failure> {
        let wrong = |text: &str| Err(Failure::Message(text.to_owned()));
        if WITH_DEFAULTS.iter().any(|kind| self.has_kind(kind)) {
            if !self.has_name() && !self.has_default() {
                return wrong(
                    "An entity-name or default entity must be specified with --alter of users, \
                     clients, brokers or ips",
                );
            }
        } else if !self.has_name() {
            return wrong(&format!(
                "An entity name must be specified with --alter of {}",
                self.kinds.join(",")
            ));
        }
        if options.count(&["add-config", "add-config-file"]) == 2 {
            return wrong("Only one of --add-config or --add-config-file must be specified");
        }
        if options.count(&["add-config", "add-config-file", "delete-config"]) == 0 {
            return wrong(
                "At least one of --add-config, --add-config-file, or --delete-config must be \
                 specified with --alter",
            );
        }
        if self.kinds.len() != self.names.len() {
            return wrong("An entity name must be specified for every entity type");
        }
        Ok(())
    }
}

fn kinds(options: &Options<'_>) -> Vec<String> {
    let by_kind = options.texts("entity-type").into_iter();
    let flags = FLAGS.iter().chain(&DEFAULT_FLAGS);
    let by_flag = flags
        .filter(|(flag, _)| options.has(flag))
        .map(|(_, kind)| *kind);
    by_kind.chain(by_flag).map(str::to_owned).collect()
}

/// Names in the order of the command line, those of flags last.
fn names(options: &Options<'_>) -> Vec<String> {
    let named = options.positions("entity-name").into_iter();
    let named = named.zip(options.texts("entity-name"));
    let default = options.positions("entity-default").into_iter();
    let mut by_kind: Vec<_> = named.chain(default.map(|at| (at, ""))).collect();
    by_kind.sort_unstable();
    let by_kind = by_kind.into_iter().map(|(_, name)| name);
    let by_flag = FLAGS.iter().filter_map(|(flag, _)| options.text(flag));
    let defaults = DEFAULT_FLAGS.iter().filter(|(flag, _)| options.has(flag));
    let all = by_kind.chain(by_flag).chain(defaults.map(|_| ""));
    all.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::configs::TOOL;

    fn of(line: &str) -> Result<Entities, String> {
        let command = TOOL.command("it").no_binary_name(true);
        let line = format!("--bootstrap-server a:1 {line}");
        let matches = command.try_get_matches_from(line.split(' ')).unwrap();
        Entities::of(&Options::new(&matches)).map_err(|failure| failure.to_string())
    }

    #[test]
    fn both_ways_to_name_entities_mean_the_same() {
        for (one, other) in [
            ("--topic t", "--entity-type topics --entity-name t"),
            (
                "--broker-defaults",
                "--entity-type brokers --entity-default",
            ),
            (
                "--client-defaults --user u",
                "--entity-type users --entity-name u --entity-type clients --entity-default",
            ),
        ] {
            let (one, other) = (format!("--describe {one}"), format!("--describe {other}"));
            let (mut one, mut other) = (of(&one).unwrap(), of(&other).unwrap());
            one.kinds.sort();
            other.kinds.sort();
            assert_eq!(one, other);
        }
    }
}
