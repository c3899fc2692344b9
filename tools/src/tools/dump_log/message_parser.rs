//! From the bytes of keys and values to text, after the decoder options.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::frame::{Failure, Options};
use crate::schema::{CoordinatorRecordError, CoordinatorTopic, cluster_metadata_record};

/// How keys and values are shown.
#[derive(Debug, Clone, Copy)]
pub(super) enum MessageParser {
    /// As the two decoders say; whether one of them was asked for.
    Decoders(Decoder, Decoder, bool),
    /// As the records of a coordinator.
    Coordinator(CoordinatorTopic),
    /// As KRaft's records.
    ClusterMetadata,
}

/// How bytes are shown, by the names of Kafka's classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decoder {
    String,
    Integer,
    Long,
    Base64,
}

type Parsed = (Option<String>, Option<String>);

impl MessageParser {
    /// After the options.
    pub(super) fn new(options: &Options<'_>) -> Result<Self, Failure> {
        for (option, topic) in [
            ("offsets-decoder", CoordinatorTopic::Offsets),
            ("transaction-log-decoder", CoordinatorTopic::TransactionLog),
            ("share-group-state-decoder", CoordinatorTopic::ShareState),
        ] {
            if options.has(option) {
                return Ok(Self::Coordinator(topic));
            }
        }
        if options.has("cluster-metadata-decoder") {
            return Ok(Self::ClusterMetadata);
        }
        let decoder = |option| Decoder::named(options.text(option).unwrap_or("StringDecoder"));
        let names = ["key-decoder-class", "value-decoder-class"];
        let is_chosen = 0 < options.count(&names);
        let [key, value] = names.map(decoder);
        Ok(Self::Decoders(key?, value?, is_chosen))
    }

    /// Whether an option asked for it, so that contents are wanted.
    pub(super) fn is_chosen(self) -> bool {
        !matches!(self, Self::Decoders(_, _, false))
    }

    /// What is shown of a record, key and value.
    pub(super) fn parse(
        self,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        offset: i64,
    ) -> Result<Parsed, Failure> {
        match self {
            Self::Decoders(key_decoder, value_decoder, _) => Ok((
                key.map(|key| key_decoder.text(key)),
                value.map(|value| value_decoder.text(value)),
            )),
            Self::Coordinator(topic) => coordinator_record(topic, key, value, offset),
            Self::ClusterMetadata => {
                let record = cluster_metadata_record(value.unwrap_or_default());
                let text =
                    record.unwrap_or_else(|error| format!("Error at {offset}, skipping. {error}"));
                Ok((None, Some(text)))
            }
        }
    }
}

fn coordinator_record(
    topic: CoordinatorTopic,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    offset: i64,
) -> Result<Parsed, Failure> {
    let Some(key) = key else {
        return Err(Failure::Message(format!(
            "Failed to decode message at offset {offset} using the specified decoder (message had \
             a missing key)"
        )));
    };
    Ok(match topic.read(key, value) {
        Ok(record) => {
            let (key, value) = record.dumped();
            (Some(key), Some(value))
        }
        Err(CoordinatorRecordError::UnknownType(id)) => {
            let text = format!("Unknown record type {id} at offset {offset}, skipping.");
            (Some(text), None)
        }
        Err(error) => {
            let text = format!("Error at offset {offset}, skipping. {error}");
            (Some(text), None)
        }
    })
}

impl Decoder {
    fn named(class: &str) -> Result<Self, Failure> {
        match class.rsplit('.').next() {
            Some("StringDecoder") => Ok(Self::String),
            Some("IntegerDecoder") => Ok(Self::Integer),
            Some("LongDecoder") => Ok(Self::Long),
            Some("DefaultDecoder") => Ok(Self::Base64),
            _ => Err(Failure::Message(format!(
                "rbk has no decoder {class}; it has StringDecoder, IntegerDecoder, LongDecoder \
                 and DefaultDecoder"
            ))),
        }
    }

    fn text(self, bytes: &[u8]) -> String {
        let number = match self {
            Self::String => None,
            Self::Integer => bytes.try_into().ok().map(i32::from_be_bytes).map(i64::from),
            Self::Long => bytes.try_into().ok().map(i64::from_be_bytes),
            Self::Base64 => return BASE64_STANDARD.encode(bytes),
        };
        // What is no such number is shown as text, rather than ending the dump.
        number.map_or_else(
            || String::from_utf8_lossy(bytes).into_owned(),
            |number| number.to_string(),
        )
    }
}
