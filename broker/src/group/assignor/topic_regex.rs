//! Subscriptions by pattern: a pattern is RE2 syntax, as of `com.google.re2j` in Kafka, and matches
//! a topic whose whole name it describes. Kafka's `TopicRegexResolver`.
//!
//! Matching takes time linear in the name whatever the pattern; a pattern that compiles to more
//! than [`COMPILED_BYTES_MAX`] is refused. When patterns are resolved again, and that a resolution
//! is kept as a record, is `group::consumer`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use thiserror::Error;
use tracing::error;

use super::TopicsImage;
use super::re2;

/// The most memory a compiled pattern may take. Patterns for topic names take some kilobytes.
const COMPILED_BYTES_MAX: usize = 4 << 20;

/// The pattern is not valid: Kafka's `INVALID_REGULAR_EXPRESSION` (128).
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("SubscribedTopicRegex `{pattern}` is not a valid regular expression: {reason}.")]
pub struct InvalidTopicRegex {
    /// The pattern as the member sent it.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

/// A valid pattern.
#[derive(Clone, Debug)]
pub struct TopicRegex {
    regex: Regex,
}

impl TopicRegex {
    /// Compiles the pattern.
    ///
    /// # Errors
    /// [`InvalidTopicRegex`] if it is not RE2 syntax, or too large.
    pub fn parse(pattern: &str) -> Result<Self, InvalidTopicRegex> {
        let invalid = |reason: String| InvalidTopicRegex {
            pattern: pattern.to_owned(),
            reason,
        };
        let translated = re2::translate(pattern).map_err(|error| invalid(error.to_string()))?;
        let regex = RegexBuilder::new(&format!(r"\A(?:{translated})\z"))
            .size_limit(COMPILED_BYTES_MAX)
            .build()
            .map_err(|error| invalid(reason(&error)))?;
        Ok(Self { regex })
    }

    /// Whether the pattern describes the whole name.
    #[must_use]
    pub fn matches(&self, topic_name: &str) -> bool {
        self.regex.is_match(topic_name)
    }
}

/// The last line of the error, which says what; the others repeat and underline the pattern.
fn reason(error: &regex::Error) -> String {
    let message = error.to_string();
    let last = message.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

/// The names of the topics each pattern matches. A pattern that is not valid matches nothing: it
/// can only have come from another implementation's log, as members' patterns are checked first.
///
/// Costs one match per topic of the cluster and pattern.
pub fn resolve_topic_regexes(
    patterns: &BTreeSet<Arc<str>>,
    topics: &dyn TopicsImage,
) -> BTreeMap<Arc<str>, BTreeSet<Arc<str>>> {
    let mut resolved = Vec::with_capacity(patterns.len());
    for pattern in patterns {
        let regex = TopicRegex::parse(pattern)
            .inspect_err(|error| error!(%error, "a stored subscription matches nothing"))
            .ok();
        resolved.push((pattern, regex, BTreeSet::new()));
    }
    topics.visit_names(&mut |name| {
        for (_, regex, names) in &mut resolved {
            if regex.as_ref().is_some_and(|regex| regex.matches(name)) {
                names.insert(Arc::clone(name));
            }
        }
    });
    resolved
        .into_iter()
        .map(|(pattern, _, names)| (Arc::clone(pattern), names))
        .collect()
}

#[cfg(test)]
mod tests;
