//! What is to be set and removed, from the command line.

use std::collections::BTreeMap;
use std::path::Path;

use ringbrook_client::admin::AlterConfigOp;
use ringbrook_client::config::Properties;

use crate::frame::{Failure, Options};

/// What is to be set and removed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) set: BTreeMap<String, String>,
    pub(super) removed: Vec<String>,
}

impl Changes {
    /// From `--add-config`, `--add-config-file` and `--delete-config`.
    pub(super) fn of(options: &Options<'_>) -> Result<Self, Failure> {
        let mut changes = Self::default();
        if let Some(path) = options.text("add-config-file") {
            let properties = Properties::from_file(Path::new(path))?;
            let pairs = properties.iter();
            changes
                .set
                .extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        if let Some(text) = options.text("add-config") {
            changes.set.extend(pairs(text)?);
        }
        if let Some(name) = changes.set.keys().find(|name| !is_name(name)) {
            return Err(Failure::Message(format!(
                "Invalid character found for config key: {name}"
            )));
        }
        let removed = options.texts("delete-config").into_iter();
        changes.removed = removed.map(|name| name.trim().to_owned()).collect();
        Ok(changes)
    }

    /// As operations on a resource: removals first.
    pub(super) fn operations(&self) -> Vec<AlterConfigOp> {
        let removed = self.removed.iter().map(AlterConfigOp::delete);
        let set = self.set.iter();
        let set = set.map(|(name, value)| AlterConfigOp::set(name, value));
        removed.chain(set).collect()
    }
}

/// A loggers' name may be that of an inner class, with a `$`.
fn is_name(name: &str) -> bool {
    name.chars()
        .all(|c| c.is_ascii_alphanumeric() || "$._-".contains(c))
}

/// Reads `k1=v1,k2=[v1,v2]`.
fn pairs(text: &str) -> Result<Vec<(String, String)>, Failure> {
    let mut pairs = Vec::new();
    for pair in split_outside(text, ',') {
        let parts = split_outside(pair, '=');
        let [name, value] = parts[..] else {
            return Err(Failure::Message(
                "requirement failed: Invalid entity config: all configs to be added must be in \
                 the format \"key=val\" or  \"key=[val1,val2]\" to group values which contain \
                 commas."
                    .to_owned(),
            ));
        };
        let value = value.replace(['[', ']'], "");
        pairs.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    Ok(pairs)
}

/// Splits where no square bracket is open.
fn split_outside(text: &str, separator: char) -> Vec<&str> {
    let is_outside = |rest: &str| match rest.split_once(']') {
        None => true,
        Some((before, _)) => before.contains('['),
    };
    let mut parts = Vec::new();
    let mut rest = text;
    let mut from = 0;
    while let Some(at) = rest.get(from..).and_then(|tail| tail.find(separator)) {
        let (before, after) = rest.split_at(from + at);
        let after = after.get(separator.len_utf8()..).unwrap_or_default();
        if is_outside(after) {
            parts.push(before);
            (rest, from) = (after, 0);
        } else {
            from += at + separator.len_utf8();
        }
    }
    parts.push(rest);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        pairs(text).unwrap()
    }

    #[test]
    fn brackets_hold_commas_and_equal_signs() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read("a=1"), [pair("a", "1")]);
        assert_eq!(read("a=1, b = 2"), [pair("a", "1"), pair("b", "2")]);
        assert_eq!(read("a="), [pair("a", "")]);
        assert_eq!(
            read("a=[x,y],b=[p=q,r],c=3"),
            [pair("a", "x,y"), pair("b", "p=q,r"), pair("c", "3")]
        );
        for text in ["a", "a=1,b", "a=1=2", ""] {
            let error = pairs(text).unwrap_err().to_string();
            assert!(error.starts_with("requirement failed: "), "{text}: {error}");
        }
    }
}
