//! How records are written: Kafka's message formatters, by the names of their classes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::deserializer::Deserializer;
use crate::schema::{CoordinatorRecordError, CoordinatorTopic};
use crate::shown;

/// A record to be written, whichever client it came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'a> {
    /// `CreateTime` or `LogAppendTime`, and milliseconds; none before Kafka had timestamps.
    pub(super) timestamp: Option<(&'static str, i64)>,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) headers: &'a [(&'a str, Option<&'a [u8]>)],
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
}

/// A formatter with its properties.
#[derive(Debug)]
pub(super) enum Formatter {
    /// The record as text, and with `true` also on standard error, as a log line.
    Default(Box<DefaultFormatter>, bool),
    /// Nothing.
    NoOp,
    /// Records of a coordinator as JSON; only those types, if any are named.
    Coordinator(CoordinatorTopic, &'static [i16]),
}

/// What is written of each record.
#[derive(Debug)]
pub(super) struct DefaultFormatter {
    timestamp: bool,
    key: bool,
    value: bool,
    partition: bool,
    offset: bool,
    delivery: bool,
    epoch: bool,
    headers: bool,
    key_separator: Vec<u8>,
    line_separator: Vec<u8>,
    headers_separator: Vec<u8>,
    null_literal: Vec<u8>,
    key_deserializer: Deserializer,
    value_deserializer: Deserializer,
    headers_deserializer: Deserializer,
    /// Control characters are written out.
    for_terminal: bool,
}

impl Formatter {
    /// The formatter of a class; `None` if rbk has none of that name. `warn` is told of
    /// deserializers that are not known.
    pub(super) fn named(
        class: &str,
        properties: &BTreeMap<String, String>,
        for_terminal: bool,
        warn: &mut dyn FnMut(String),
    ) -> Option<Self> {
        let mut default = || Box::new(DefaultFormatter::new(properties, for_terminal, warn));
        Some(match class.rsplit('.').next()? {
            "DefaultMessageFormatter" => Self::Default(default(), false),
            "LoggingMessageFormatter" => Self::Default(default(), true),
            "NoOpMessageFormatter" => Self::NoOp,
            "OffsetsMessageFormatter" => Self::Coordinator(CoordinatorTopic::Offsets, &[0, 1]),
            "GroupMetadataMessageFormatter" => Self::Coordinator(CoordinatorTopic::Offsets, &[2]),
            "TransactionLogMessageFormatter" => {
                Self::Coordinator(CoordinatorTopic::TransactionLog, &[])
            }
            "ShareGroupMessageFormatter" => {
                Self::Coordinator(CoordinatorTopic::Offsets, &[10, 11, 12, 13, 14, 15])
            }
            _ => return None,
        })
    }

    /// Appends a record's text; a log line about it is returned.
    ///
    /// # Errors
    /// What is wrong with the record; `out` is as before then.
    pub(super) fn write(
        &self,
        record: &Shown<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Option<String>, String> {
        match self {
            Self::NoOp => Ok(None),
            Self::Default(formatter, is_logging) => {
                let start = out.len();
                formatter
                    .write(record, out)
                    .inspect_err(|_| out.truncate(start))?;
                Ok(is_logging.then(|| log_line(record)))
            }
            Self::Coordinator(topic, types) => {
                coordinator_record(*topic, types, record, out)?;
                Ok(None)
            }
        }
    }
}

fn coordinator_record(
    topic: CoordinatorTopic,
    types: &[i16],
    record: &Shown<'_>,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let Some(key) = record.key else {
        return Ok(());
    };
    match topic.read_plain(key, record.value) {
        Ok(found) if types.is_empty() || types.contains(&found.id) => {
            // Kafka's formatters put nothing between one record and the next.
            out.extend_from_slice(found.formatted().as_bytes());
            Ok(())
        }
        Ok(_) | Err(CoordinatorRecordError::UnknownType(_)) => Ok(()),
        Err(error) => {
            let offset = record.offset;
            Err(format!(
                "Could not read record at offset {offset} due to: {error}"
            ))
        }
    }
}

fn log_line(record: &Shown<'_>) -> String {
    let timestamp = record
        .timestamp
        .map_or_else(String::new, |(kind, ms)| format!("{kind}:{ms}, "));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let key = record
        .key
        .map_or_else(|| "null ".to_owned(), |key| format!("{}, ", text(key)));
    let value = record.value.map_or_else(|| "null".to_owned(), text);
    format!("{timestamp}key:{key}value:{value}")
}

impl DefaultFormatter {
    fn new(
        properties: &BTreeMap<String, String>,
        for_terminal: bool,
        warn: &mut dyn FnMut(String),
    ) -> Self {
        let is_set = |name: &str, default: bool| {
            let value = properties.get(name);
            value.map_or(default, |value| value.trim().eq_ignore_ascii_case("true"))
        };
        let bytes = |name: &str, default: &str| {
            let value = properties.get(name).map_or(default, String::as_str);
            value.as_bytes().to_vec()
        };
        let mut deserializer = |name: &str| {
            let Some(class) = properties.get(name) else {
                return Deserializer::Raw;
            };
            Deserializer::named(class).unwrap_or_else(|| {
                warn(format!(
                    "rbk has no deserializer {class}; {name} is not used. It has those of \
                     org.apache.kafka.common.serialization."
                ));
                Deserializer::Raw
            })
        };
        Self {
            timestamp: is_set("print.timestamp", false),
            key: is_set("print.key", false),
            value: is_set("print.value", true),
            partition: is_set("print.partition", false),
            offset: is_set("print.offset", false),
            delivery: is_set("print.delivery", false),
            epoch: is_set("print.epoch", false),
            headers: is_set("print.headers", false),
            key_separator: bytes("key.separator", "\t"),
            line_separator: bytes("line.separator", "\n"),
            headers_separator: bytes("headers.separator", ","),
            null_literal: bytes("null.literal", "null"),
            key_deserializer: deserializer("key.deserializer"),
            value_deserializer: deserializer("value.deserializer"),
            headers_deserializer: deserializer("headers.deserializer"),
            for_terminal,
        }
    }

    fn write(&self, record: &Shown<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        let mut columns: Vec<Vec<u8>> = Vec::new();
        let mut text = |text: String| columns.push(text.into_bytes());
        if self.timestamp {
            text(record.timestamp.map_or_else(
                || "NO_TIMESTAMP".to_owned(),
                |(kind, ms)| format!("{kind}:{ms}"),
            ));
        }
        if self.partition {
            text(format!("Partition:{}", record.partition));
        }
        if self.offset {
            text(format!("Offset:{}", record.offset));
        }
        // Kafka's console consumer gives its formatters neither of these.
        if self.delivery {
            text("Delivery:NOT_PRESENT".to_owned());
        }
        if self.epoch {
            text("Epoch:NOT_PRESENT".to_owned());
        }
        if self.headers {
            columns.push(self.headers_text(record)?);
        }
        if self.key {
            columns.push(self.shown(self.key_deserializer, record.key)?.into_owned());
        }
        if self.value {
            columns.push(
                self.shown(self.value_deserializer, record.value)?
                    .into_owned(),
            );
        }
        if !columns.is_empty() {
            out.extend_from_slice(&columns.join(self.key_separator.as_slice()));
            out.extend_from_slice(&self.line_separator);
        }
        Ok(())
    }

    fn headers_text(&self, record: &Shown<'_>) -> Result<Vec<u8>, String> {
        if record.headers.is_empty() {
            return Ok(b"NO_HEADERS".to_vec());
        }
        let mut text = Vec::new();
        for (index, (key, value)) in record.headers.iter().enumerate() {
            if 0 < index {
                text.extend_from_slice(&self.headers_separator);
            }
            text.extend_from_slice(shown::on(self.for_terminal, key).as_bytes());
            text.push(b':');
            text.extend_from_slice(&self.shown(self.headers_deserializer, *value)?);
        }
        Ok(text)
    }

    fn shown<'a>(
        &'a self,
        deserializer: Deserializer,
        bytes: Option<&'a [u8]>,
    ) -> Result<Cow<'a, [u8]>, String> {
        let Some(bytes) = bytes else {
            return Ok(Cow::Borrowed(&self.null_literal));
        };
        let text = deserializer.text(bytes)?;
        if self.for_terminal {
            return Ok(Cow::Owned(shown::bytes_on_terminal(&text).into_bytes()));
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests;
