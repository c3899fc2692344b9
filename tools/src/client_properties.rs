//! Properties of clients from the command line: files, `key=value` options, and the names that
//! Kafka gave such options before 4.2.

use std::path::Path;

use ringbrook_client::config::Properties;

use crate::frame::{Context, Failure, Options};

/// An option and the name it had before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Renamed {
    /// As Kafka has called it since 4.2.
    pub(crate) name: &'static str,
    /// As it was called, and may be still.
    pub(crate) former: &'static str,
}

impl Renamed {
    /// The name under which it was given; the former one is warned of with `warning`, on standard
    /// output, as Kafka's tools do.
    pub(crate) fn given(
        self,
        options: &Options<'_>,
        warning: &str,
        context: &mut Context,
    ) -> Result<&'static str, Failure> {
        let Self { name, former } = self;
        if !options.has(former) {
            return Ok(name);
        }
        context.line(format_args!(
            "{warning} --{former} is deprecated and will be removed in a future version. Use \
             --{name} instead."
        ))?;
        Ok(former)
    }

    /// Fails if both names were given.
    pub(crate) fn check(self, options: &Options<'_>, order: [&str; 2]) -> Result<(), Failure> {
        if options.has(self.name) && options.has(self.former) {
            let [one, other] = order;
            return Err(Failure::Usage(format!(
                "Options --{one} and --{other} cannot be specified together."
            )));
        }
        Ok(())
    }
}

/// `key=value` texts as pairs; a missing value is an empty one.
pub(crate) fn pairs<'a>(texts: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    let pair = |text: &&'a str| text.split_once('=').unwrap_or((text, ""));
    texts.iter().map(pair).collect()
}

/// The properties of a file, if one is named, and over them those of `key=value` texts.
pub(crate) fn from_file_and_pairs(
    file: Option<&str>,
    texts: &[&str],
) -> Result<Properties, Failure> {
    let mut properties = match file {
        Some(path) => Properties::from_file(Path::new(path))?,
        None => Properties::new(),
    };
    for (name, value) in pairs(texts) {
        properties.set(name, value);
    }
    Ok(properties)
}
