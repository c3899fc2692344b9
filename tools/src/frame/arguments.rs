//! Arguments on their way to the parser: what Kafka's tools accept and clap does not.

use clap::{Arg, Command};

/// Writes `-topic` as `--topic`, which Kafka's tools take for the same, and leaves values alone.
pub(super) fn normalise(command: &Command, arguments: &[String]) -> Vec<String> {
    let mut written = Vec::with_capacity(arguments.len());
    let mut command = command;
    let mut is_value = false;
    for argument in arguments {
        if is_value {
            is_value = false;
            written.push(argument.clone());
            continue;
        }
        if let Some(subcommand) = command.find_subcommand(argument) {
            command = subcommand;
        }
        let (name, has_value) = match argument.split_once('=') {
            Some((name, _)) => (name, true),
            None => (argument.as_str(), false),
        };
        let long = name.strip_prefix("--");
        let single = || name.strip_prefix('-').filter(|name| 1 < name.len());
        let option = long.or_else(single).and_then(|name| find(command, name));
        let is_single = long.is_none() && option.is_some();
        written.push(if is_single {
            format!("-{argument}")
        } else {
            argument.clone()
        });
        let takes_one = |option: &Arg| {
            option.get_action().takes_values()
                && option
                    .get_num_args()
                    .is_none_or(|range| 0 < range.min_values())
        };
        is_value = !has_value && option.is_some_and(takes_one);
    }
    written
}

/// The option of that name, or the only one that begins with it.
fn find<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    let named = |arg: &&Arg| arg.get_long() == Some(name);
    if let Some(exact) = command.get_arguments().find(named) {
        return Some(exact);
    }
    let begins = |arg: &&Arg| arg.get_long().is_some_and(|long| long.starts_with(name));
    let mut all = command.get_arguments().filter(begins);
    all.next().filter(|_| all.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{flag, value};

    #[test]
    fn one_hyphen_counts_as_two_except_in_values() {
        let command = Command::new("it")
            .arg(flag("list", ""))
            .arg(value("topic", "topic", ""))
            .subcommand(Command::new("inner").arg(value("id", "id", "")));
        for (line, expected) in [
            ("-list -topic -list", "--list --topic -list"),
            ("-top a --topic -topic -li", "--top a --topic -topic --li"),
            ("-topic=-list -x -unknown", "--topic=-list -x -unknown"),
            ("inner -id -id -list", "inner --id -id -list"),
        ] {
            let arguments: Vec<_> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(normalise(&command, &arguments).join(" "), expected);
        }
    }
}
