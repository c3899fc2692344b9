//! The command line of the latency test, by names and, as it was before Kafka 4.2, by positions.

use clap::{Arg, Command};
use ringbrook_client::config::Properties;

use crate::client_properties::from_file_and_pairs;
use crate::frame::{Context, Failure, Options, optional_value, value};

/// The arguments without names.
pub(super) const POSITIONAL: &str = "positional";

/// What the arguments without names stand for, in their order; the last may be left out.
const NAMES: [&str; 6] = [
    "bootstrap-server",
    "topic",
    "num-records",
    "producer-acks",
    "record-size",
    "command-config",
];

/// What is to be measured.
#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) topic: String,
    pub(super) num_records: u32,
    /// `1` or `all`.
    pub(super) acks: String,
    pub(super) value_bytes: usize,
    pub(super) key_bytes: usize,
    pub(super) headers: u32,
    pub(super) header_key_bytes: usize,
    /// None for null.
    pub(super) header_value_bytes: Option<usize>,
    /// Of both clients.
    pub(super) properties: Properties,
}

/// The options.
pub(super) fn options(command: Command) -> Command {
    command
        .arg(value(
            "bootstrap-server",
            "bootstrap-server",
            "REQUIRED: The servers to connect to, as in HOST1:PORT1,HOST2:PORT2.",
        ))
        .arg(value(
            "topic",
            "topic-name",
            "REQUIRED: The topic to use; it is created if there is none.",
        ))
        .arg(value(
            "num-records",
            "count",
            "REQUIRED: The number of messages to send.",
        ))
        .arg(value(
            "producer-acks",
            "producer-acks",
            "REQUIRED: What a record waits for: 1 or all.",
        ))
        .arg(value(
            "record-size",
            "bytes",
            "REQUIRED: The size of each value.",
        ))
        .arg(optional_value("record-key-size", "bytes", "The size of each key.").default_value("0"))
        .arg(
            optional_value(
                "record-header-key-size",
                "bytes",
                "The size of each header's key.",
            )
            .allow_negative_numbers(true)
            .default_value("0"),
        )
        .arg(
            optional_value(
                "record-header-size",
                "bytes",
                "The size of each header's value; -1 for null.",
            )
            .allow_negative_numbers(true)
            .default_value("0"),
        )
        .arg(
            optional_value("num-headers", "count", "How many headers a message has.")
                .allow_negative_numbers(true)
                .default_value("0"),
        )
        .arg(optional_value(
            "command-config",
            "config-file",
            "A file of the clients' properties.",
        ))
        .arg(
            Arg::new(POSITIONAL)
                .num_args(0..)
                .hide(true)
                .help("DEPRECATED: the values of the required options in this order."),
        )
}

/// Whether one of the required options was given by its name.
pub(super) fn has_named(options: &Options<'_>) -> bool {
    0 < options.count(&NAMES[..5])
}

/// Gives arguments without names their names.
pub(super) fn named(legacy: &[&str], context: &mut Context) -> Result<Vec<String>, Failure> {
    if legacy.len() != 5 && legacy.len() != 6 {
        return Err(Failure::Message(format!(
            "Invalid number of arguments. Expected 5 or 6 positional arguments, but got {}. Usage: \
             bootstrap-server topic num-records producer-acks record-size [optional] \
             command-config",
            legacy.len()
        )));
    }
    context.line(
        "WARNING: Positional argument usage is deprecated and will be removed in Apache Kafka 5.0. \
         Please use named arguments instead: --bootstrap-server, --topic, --num-records, \
         --producer-acks, --record-size, --command-config",
    )?;
    let pairs = NAMES.iter().zip(legacy);
    Ok(pairs
        .map(|(name, value)| format!("--{name}={value}"))
        .collect())
}

/// A number of at least `min`.
fn number<T: TryFrom<i32>>(options: &Options<'_>, name: &str, min: i32) -> Result<T, Failure> {
    let found: i32 = options.number(name)?.unwrap_or_default();
    let wrong = || {
        let kind = match (min, name) {
            (1, _) => "positive integer",
            (-1, _) => "non-negative integer or -1 for null header value",
            _ => "non-negative integer",
        };
        Failure::Usage(format!("Value for --{name} must be a {kind}."))
    };
    if found < min {
        return Err(wrong());
    }
    T::try_from(found).map_err(|_| wrong())
}

impl Arguments {
    /// Reads and checks the options.
    pub(super) fn new(options: &Options<'_>) -> Result<Self, Failure> {
        options.require(&NAMES[..5])?;
        let text = |name: &str| options.text(name).unwrap_or_default().to_owned();
        let acks = text("producer-acks");
        if !["1", "all"].contains(&acks.as_str()) {
            return Err(Failure::Usage(
                "Invalid value for --producer-acks. Latency testing requires synchronous \
                 acknowledgement. Please use '1' or 'all'."
                    .to_owned(),
            ));
        }
        let header_value: i64 = number(options, "record-header-size", -1)?;
        let mut properties = from_file_and_pairs(options.text("command-config"), &[])?;
        properties.set("bootstrap.servers", text("bootstrap-server"));
        Ok(Self {
            topic: text("topic"),
            num_records: number(options, "num-records", 1)?,
            acks,
            value_bytes: number(options, "record-size", 0)?,
            key_bytes: number(options, "record-key-size", 0)?,
            headers: number(options, "num-headers", 0)?,
            header_key_bytes: number(options, "record-header-key-size", 0)?,
            header_value_bytes: usize::try_from(header_value).ok(),
            properties,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        Context::new(Box::new(std::io::sink()), Box::new(std::io::sink()))
    }

    #[test]
    fn positions_become_names() {
        let names = named(&["a:1", "t", "3", "all", "10"], &mut context()).unwrap();
        assert_eq!(
            names.join(" "),
            "--bootstrap-server=a:1 --topic=t --num-records=3 --producer-acks=all --record-size=10"
        );
        assert_eq!(named(&["x"; 6], &mut context()).unwrap().len(), 6);
        named(&["x"; 4], &mut context()).unwrap_err();
    }

    #[test]
    fn sizes_are_checked() {
        let read = |line: &str| {
            let command = options(Command::new("it")).no_binary_name(true);
            let required = "--bootstrap-server a:1 --topic t --num-records 1 --record-size 1";
            let all = format!("{required} {line}");
            let matches = command.try_get_matches_from(all.split(' ')).unwrap();
            Arguments::new(&Options::new(&matches)).map_err(|error| error.to_string())
        };
        let read_all = read("--producer-acks all --record-header-size -1 --num-headers 2").unwrap();
        assert_eq!((read_all.headers, read_all.header_value_bytes), (2, None));
        for (line, said) in [
            ("--producer-acks 0", "Invalid value for --producer-acks."),
            (
                "--producer-acks 1 --record-header-size -2",
                "Value for --record-header-size must be a non-negative integer or -1",
            ),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.starts_with(said), "{error}");
        }
    }
}
