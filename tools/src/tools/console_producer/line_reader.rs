//! From lines of input to records (Kafka's `LineMessageReader`). Works on bytes: what is not UTF-8
//! comes to the broker as it was typed.

use std::collections::BTreeMap;

use bytes::Bytes;
use regex::bytes::Regex;

use crate::frame::Failure;

/// What one line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) headers: Vec<(String, Option<Bytes>)>,
    pub(super) key: Option<Bytes>,
    pub(super) value: Option<Bytes>,
}

/// How lines are taken apart.
#[derive(Debug)]
pub(super) struct LineReader {
    parses_key: bool,
    key_separator: Vec<u8>,
    parses_headers: bool,
    headers_delimiter: Vec<u8>,
    headers_separator: Regex,
    headers_key_separator: Vec<u8>,
    ignores_errors: bool,
    null_marker: Option<Vec<u8>>,
    line_number: u64,
}

/// A failure in the words of Kafka's exception.
fn kafka_exception(what: impl std::fmt::Display) -> Failure {
    Failure::Message(format!("org.apache.kafka.common.KafkaException: {what}"))
}

impl LineReader {
    /// After the properties of the reader.
    pub(super) fn new(properties: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let text = |name: &str, default: &'static str| -> String {
            properties
                .get(name)
                .cloned()
                .unwrap_or_else(|| default.to_owned())
        };
        let is_set = |name: &str| text(name, "").trim().eq_ignore_ascii_case("true");
        let separators = [
            ("headers.delimiter", text("headers.delimiter", "\t")),
            ("headers.separator", text("headers.separator", ",")),
            ("headers.key.separator", text("headers.key.separator", ":")),
        ];
        for (index, (name, value)) in separators.iter().enumerate() {
            if let Some((same, _)) = separators[index + 1..].iter().find(|(_, it)| it == value) {
                return Err(kafka_exception(format_args!(
                    "{name} and {same} may not be equal"
                )));
            }
        }
        let key_separator = text("key.separator", "\t");
        let null_marker = properties.get("null.marker");
        let [delimiter, separator, header_key] = &separators;
        for (name, value) in [
            &("key.separator", key_separator.clone()),
            separator,
            delimiter,
            header_key,
        ] {
            if null_marker == Some(value) {
                return Err(kafka_exception(format_args!(
                    "null.marker and {name} may not be equal"
                )));
            }
        }
        let headers_separator = Regex::new(&separator.1)
            .map_err(|error| kafka_exception(format_args!("headers.separator: {error}")))?;
        Ok(Self {
            parses_key: is_set("parse.key"),
            key_separator: key_separator.into_bytes(),
            parses_headers: is_set("parse.headers"),
            headers_delimiter: delimiter.1.clone().into_bytes(),
            headers_separator,
            headers_key_separator: header_key.1.clone().into_bytes(),
            ignores_errors: is_set("ignore.error"),
            null_marker: null_marker.map(|marker| marker.clone().into_bytes()),
            line_number: 0,
        })
    }

    /// Takes the next line apart.
    pub(super) fn read(&mut self, line: &[u8]) -> Result<Line, Failure> {
        self.line_number += 1;
        let mut rest = line;
        let mut headers = None;
        if self.parses_headers {
            headers = self.part(
                line,
                &mut rest,
                &self.headers_delimiter,
                "headers delimiter",
            )?;
        }
        let mut key = None;
        if self.parses_key {
            key = self.part(line, &mut rest, &self.key_separator, "key separator")?;
        }
        let bytes = |part: &[u8]| (!self.is_null(part)).then(|| Bytes::copy_from_slice(part));
        Ok(Line {
            headers: match headers {
                Some(headers) if !self.is_null(headers) => self.headers(headers)?,
                _ => Vec::new(),
            },
            key: key.and_then(bytes),
            value: bytes(rest),
        })
    }

    fn is_null(&self, part: &[u8]) -> bool {
        self.null_marker.as_deref() == Some(part)
    }

    /// What comes before the separator; `rest` is moved behind it.
    fn part<'a>(
        &self,
        line: &[u8],
        rest: &mut &'a [u8],
        separator: &[u8],
        name: &str,
    ) -> Result<Option<&'a [u8]>, Failure> {
        if let Some((part, behind)) = split_once(rest, separator) {
            *rest = behind;
            return Ok(Some(part));
        }
        if self.ignores_errors {
            return Ok(None);
        }
        Err(kafka_exception(format_args!(
            "No {name} found on line number {}: '{}'",
            self.line_number,
            String::from_utf8_lossy(line)
        )))
    }

    fn headers(&self, headers: &[u8]) -> Result<Vec<(String, Option<Bytes>)>, Failure> {
        let mut pairs: Vec<_> = self.headers_separator.split(headers).collect();
        // As Java splits: empty parts at the end do not count, but there is always one part.
        while 1 < pairs.len() && pairs.last().is_some_and(|last| last.is_empty()) {
            pairs.pop();
        }
        pairs.into_iter().map(|pair| self.header(pair)).collect()
    }

    fn header(&self, pair: &[u8]) -> Result<(String, Option<Bytes>), Failure> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let Some((key, value)) = split_once(pair, &self.headers_key_separator) else {
            if self.ignores_errors {
                return Ok((text(pair), None));
            }
            return Err(kafka_exception(format_args!(
                "No header key separator found in pair '{}' on line number {}",
                text(pair),
                self.line_number
            )));
        };
        if self.is_null(key) {
            return Err(kafka_exception(format_args!(
                "Header keys should not be equal to the null marker '{}' as they can't be null",
                text(key)
            )));
        }
        let value = (!self.is_null(value)).then(|| Bytes::copy_from_slice(value));
        Ok((text(key), value))
    }
}

/// What is before and behind the first `separator`; an empty one is found at once, as in Java.
fn split_once<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    if separator.is_empty() {
        return Some((&[], bytes));
    }
    let at = bytes
        .windows(separator.len())
        .position(|window| window == separator)?;
    Some((&bytes[..at], &bytes[at + separator.len()..]))
}

#[cfg(test)]
mod tests;
