//! From `--bootstrap-server` and `--command-config` to the configuration of a client.

use std::path::Path;

use clap::Command;
use ringbrook_client::Admin;
use ringbrook_client::config::{AdminConfig, ConfigError, Properties};

use super::{Context, Failure, Options, value};

/// Adds `--bootstrap-server` and `--command-config`.
#[must_use]
pub fn bootstrap_options(command: Command) -> Command {
    command
        .arg(value(
            "bootstrap-server",
            "server to connect to",
            "REQUIRED: The Kafka server to connect to, such as localhost:9092.",
        ))
        .arg(value(
            "command-config",
            "command config property file",
            "Property file with configs of the client.",
        ))
}

impl Context {
    /// An admin client after `--bootstrap-server` and `--command-config`. Must be called within a
    /// runtime.
    ///
    /// # Errors
    /// The file or what is in it cannot be used.
    pub fn admin(&mut self, options: &Options<'_>) -> Result<Admin, Failure> {
        self.admin_with(options, "command-config")
    }

    /// As [`Context::admin`], for tools whose file is named by another option.
    ///
    /// # Errors
    /// See [`Context::admin`].
    pub fn admin_with(
        &mut self,
        options: &Options<'_>,
        file_option: &str,
    ) -> Result<Admin, Failure> {
        let mut properties = match options.text(file_option) {
            Some(path) => Properties::from_file(Path::new(path))?,
            None => Properties::new(),
        };
        if let Some(servers) = options.text("bootstrap-server") {
            properties.set("bootstrap.servers", servers);
        }
        let config = self.lenient(properties, AdminConfig::from_properties)?;
        Ok(Admin::new(config)?)
    }

    /// Reads a configuration; a property that this client does not know, or has no use for, is
    /// warned of and passed over, as Kafka's clients do: such a file often serves several clients.
    /// What is about security is an error, as it must not be passed over.
    ///
    /// # Errors
    /// A value that is not valid, or settings of security.
    pub fn lenient<C>(
        &mut self,
        mut properties: Properties,
        read: impl Fn(&Properties) -> Result<C, ConfigError>,
    ) -> Result<C, ConfigError> {
        loop {
            let error = match read(&properties) {
                Ok(config) => return Ok(config),
                Err(error) => error,
            };
            let name = match &error {
                ConfigError::Unknown { name, .. } | ConfigError::NotApplicable { name, .. } => name,
                _ => return Err(error),
            };
            if is_about_security(name) || properties.remove(name).is_none() {
                return Err(error);
            }
            self.warn(format!("{error}; it is not used"));
        }
    }
}

fn is_about_security(name: &str) -> bool {
    ["security.", "ssl.", "sasl."]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<AdminConfig, ConfigError> {
        let mut context = Context::new(Box::new(std::io::sink()), Box::new(std::io::sink()));
        let properties: Properties = pairs.iter().copied().collect();
        context.lenient(properties, AdminConfig::from_properties)
    }

    #[test]
    fn only_what_is_harmless_is_passed_over() {
        let server = ("bootstrap.servers", "a:1");
        let config = read(&[
            server,
            ("key.serializer", "x"),
            ("no.such", "y"),
            ("client.id", "z"),
        ]);
        assert_eq!(config.unwrap().client.client_id, "z");
        read(&[server, ("sasl.mechanism", "PLAIN")]).unwrap_err();
        read(&[server, ("security.protocol", "SSL")]).unwrap_err();
        read(&[server, ("request.timeout.ms", "soon")]).unwrap_err();
    }
}
