//! `host:port`, as in `bootstrap.servers`.

use std::fmt;
use std::str::FromStr;

/// A host, by name or number, and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// Without the brackets of an IPv6 address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl FromStr for HostPort {
    type Err = String;

    /// Reads `host:port`, `[::1]:port` and `PROTOCOL://host:port`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let explain = || format!("\"{text}\" is not host:port, such as localhost:9092");
        let text = text.trim();
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let (host, port) = rest.rsplit_once(':').ok_or_else(explain)?;
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let port = port.parse().map_err(|_| explain())?;
        if host.is_empty() {
            return Err(explain());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_numbers_and_listeners_are_read() {
        for (text, host, port) in [
            ("localhost:9092", "localhost", 9092),
            (" 10.0.0.1:1 ", "10.0.0.1", 1),
            ("[::1]:9092", "::1", 9092),
            ("PLAINTEXT://broker:19092", "broker", 19092),
        ] {
            let read: HostPort = text.parse().unwrap();
            assert_eq!((read.host.as_str(), read.port), (host, port));
        }
        for wrong in ["", "localhost", "localhost:", "localhost:99999", ":9092"] {
            wrong.parse::<HostPort>().unwrap_err();
        }
    }
}
