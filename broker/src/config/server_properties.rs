//! Reading a `server.properties` file. Not the meaning of its keys: that is `broker.rs`.

use std::{fs, path::Path};

use java_properties::PropertiesIter;

use super::{error::ConfigError, layers::Properties};

/// Reads and parses the file at `path` (blocking). The last of several lines with the same key
/// wins, as in Java. The text is UTF-8 or, when it is not valid as such, Latin-1, which is what
/// Java takes every file for; `\uXXXX` escapes work in both.
///
/// # Errors
/// [`ConfigError::Unreadable`] and [`ConfigError::Syntax`].
pub(super) fn read_properties(path: &Path) -> Result<Properties, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let bytes = fs::read(path).map_err(unreadable)?;
    parse_properties(&bytes).map_err(|reason| ConfigError::Syntax {
        path: path.to_owned(),
        reason,
    })
}

/// Parses the bytes of a properties file.
///
/// # Errors
/// What is wrong, with the line where it is known.
pub(super) fn parse_properties(bytes: &[u8]) -> Result<Properties, String> {
    let encoding = match std::str::from_utf8(bytes) {
        Ok(_) => encoding_rs::UTF_8,
        Err(_) => encoding_rs::WINDOWS_1252,
    };
    let mut properties = Properties::new();
    PropertiesIter::new_with_encoding(bytes, encoding)
        .read_into(|key, value| {
            properties.insert(key, value);
        })
        .map_err(|error| error.to_string())?;
    Ok(properties)
}

#[cfg(test)]
mod tests;
