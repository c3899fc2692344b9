//! Options as Kafka's tools read them: every value is text first, and what is wrong with the
//! command line is said in the words that Kafka's option parser (jopt-simple) uses.

use std::str::FromStr;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches};

use super::Failure;

/// An option without a value; it may be repeated.
#[must_use]
pub fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .help(help)
        .action(ArgAction::SetTrue)
        .overrides_with(name)
}

/// An option with one value, which may begin with a hyphen, as in `--time -1`.
#[must_use]
pub fn value(name: &'static str, described_as: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .help(help)
        .value_name(described_as)
        .allow_hyphen_values(true)
        .action(ArgAction::Set)
}

/// An option with a value that may be given several times.
#[must_use]
pub fn values(name: &'static str, described_as: &'static str, help: &'static str) -> Arg {
    value(name, described_as, help).action(ArgAction::Append)
}

/// An option whose value may be left out, as `--state` of consumer-groups.
#[must_use]
pub fn optional_value(name: &'static str, described_as: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .help(help)
        .value_name(described_as)
        .num_args(0..=1)
        .action(ArgAction::Set)
}

/// The options of one call. Names that the tool did not declare are a mistake of the tool.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    matches: &'a ArgMatches,
}

impl<'a> Options<'a> {
    /// Of a parsed command line.
    #[must_use]
    pub fn new(matches: &'a ArgMatches) -> Self {
        Self { matches }
    }

    /// Whether the option was given.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.matches.value_source(name) == Some(ValueSource::CommandLine)
    }

    /// How many of the options were given.
    #[must_use]
    pub fn count(&self, names: &[&str]) -> usize {
        names.iter().filter(|name| self.has(name)).count()
    }

    /// The value of an option, given or default.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.matches.get_one::<String>(name).map(String::as_str)
    }

    /// All values of an option that may be given several times.
    #[must_use]
    pub fn texts(&self, name: &str) -> Vec<&'a str> {
        let values = self.matches.get_many::<String>(name).unwrap_or_default();
        values.map(String::as_str).collect()
    }

    /// Where on the command line an option's values are, or the option itself if it has none.
    #[must_use]
    pub fn positions(&self, name: &str) -> Vec<usize> {
        match self.has(name) {
            true => self.matches.indices_of(name).unwrap_or_default().collect(),
            false => Vec::new(),
        }
    }

    /// The value of an option as a number.
    ///
    /// # Errors
    /// The text is no such number.
    pub fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, Failure> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let wrong = || Failure::Usage(format!("Cannot parse argument '{text}' of option {name}"));
        text.parse().map(Some).map_err(|_| wrong())
    }

    /// The subcommand, of tools that have some.
    #[must_use]
    pub fn subcommand(&self) -> Option<(&'a str, Options<'a>)> {
        let (name, matches) = self.matches.subcommand()?;
        Some((name, Options { matches }))
    }

    /// The first of the options that was given.
    #[must_use]
    pub fn first_of(&self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().copied().find(|name| self.has(name))
    }

    /// Fails unless all of the options were given.
    ///
    /// # Errors
    /// The first that is missing.
    pub fn require(&self, names: &[&str]) -> Result<(), Failure> {
        match names.iter().find(|name| !self.has(name)) {
            None => Ok(()),
            Some(name) => Err(Failure::Usage(format!(
                "Missing required argument \"[{name}]\""
            ))),
        }
    }

    /// Fails if `used` was given together with one of `others`.
    ///
    /// # Errors
    /// The first that was.
    pub fn exclude(&self, used: &str, others: &[&str]) -> Result<(), Failure> {
        if !self.has(used) {
            return Ok(());
        }
        match others.iter().find(|other| self.has(other)) {
            None => Ok(()),
            Some(other) => Err(Failure::Usage(format!(
                "Option \"[{used}]\" can't be used with option \"[{other}]\""
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::*;

    fn matches(line: &str) -> ArgMatches {
        Command::new("it")
            .arg(flag("list", ""))
            .arg(value("time", "ms", ""))
            .arg(values("topic", "topic", ""))
            .arg(optional_value("state", "states", ""))
            .try_get_matches_from(line.split(' '))
            .unwrap()
    }

    #[test]
    fn values_are_read_in_all_their_forms() {
        let matches = matches("it --time -1 --topic a --list --topic=b --list --state");
        let options = Options::new(&matches);
        assert_eq!(options.number::<i64>("time").unwrap(), Some(-1));
        assert_eq!(options.texts("topic"), ["a", "b"]);
        assert!(options.has("list") && options.has("state"));
        assert_eq!(options.text("state"), None);
        assert_eq!(options.count(&["list", "time", "topic"]), 3);
    }

    #[test]
    fn what_is_wrong_is_said_in_kafkas_words() {
        let matches = matches("it --time soon --list");
        let options = Options::new(&matches);
        let said = |failed: Result<(), Failure>| failed.unwrap_err().to_string();
        assert_eq!(
            said(options.number::<i64>("time").map(|_| ())),
            "Cannot parse argument 'soon' of option time"
        );
        assert_eq!(
            said(options.require(&["list", "topic"])),
            "Missing required argument \"[topic]\""
        );
        assert_eq!(
            said(options.exclude("list", &["topic", "time"])),
            "Option \"[list]\" can't be used with option \"[time]\""
        );
        options.exclude("topic", &["list"]).unwrap();
    }
}
