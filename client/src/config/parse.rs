//! Texts of properties to values.

use std::time::Duration;

use super::ConfigError;

/// A property's name and text, on the way to a value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parse<'a> {
    pub(crate) name: &'static str,
    pub(crate) text: &'a str,
}

impl<'a> Parse<'a> {
    /// The error that the text is not what is `expected`.
    pub(crate) fn invalid(self, expected: impl Into<String>) -> ConfigError {
        ConfigError::Invalid {
            name: self.name,
            value: self.text.to_owned(),
            expected: expected.into(),
        }
    }

    /// A whole number within `range`, both ends included.
    pub(crate) fn number<T>(self, range: std::ops::RangeInclusive<T>) -> Result<T, ConfigError>
    where
        T: std::str::FromStr + PartialOrd + std::fmt::Display,
    {
        let (min, max) = (range.start(), range.end());
        let expected = || self.invalid(format!("a whole number from {min} to {max}"));
        let number = self.text.trim().parse().map_err(|_| expected())?;
        if range.contains(&number) {
            return Ok(number);
        }
        Err(expected())
    }

    /// Milliseconds, from `at_least` to what Kafka's int holds.
    pub(crate) fn millis(self, at_least: u64) -> Result<Duration, ConfigError> {
        let max = u64::from(i32::MAX.unsigned_abs());
        Ok(Duration::from_millis(self.number(at_least..=max)?))
    }

    /// Milliseconds, or -1 for no limit.
    pub(crate) fn millis_or_never(self) -> Result<Option<Duration>, ConfigError> {
        match self.number(-1..=i64::MAX)? {
            -1 => Ok(None),
            millis => Ok(Some(Duration::from_millis(millis.unsigned_abs()))),
        }
    }

    /// `true` or `false`.
    pub(crate) fn boolean(self) -> Result<bool, ConfigError> {
        match self.text.trim().to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.invalid("true or false")),
        }
    }

    /// One of the given words, in any case, for its value.
    pub(crate) fn one_of<T: Clone>(self, words: &[(&str, T)]) -> Result<T, ConfigError> {
        let found = words
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(self.text.trim()));
        found.map(|(_, value)| value.clone()).ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.invalid(format!("one of {}", words.join(", ")))
        })
    }

    /// Comma-separated items without empty ones.
    pub(crate) fn list(self) -> impl Iterator<Item = &'a str> {
        self.text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
    }

    /// The text, or nothing when it is empty.
    pub(crate) fn optional(self) -> Option<String> {
        let text = self.text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }
}
