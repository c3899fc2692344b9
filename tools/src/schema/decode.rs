//! From the bytes of a message to JSON, by its table of fields.
//!
//! The JSON is what Kafka's own converters write: fields in the order of their declaration, those
//! of other versions and absent tagged ones left out, bytes in base64. Bytes come from files, so
//! every length is checked against what is left before anything is taken.

use std::fmt::Write as _;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use uuid::Uuid;

use super::field::{Field, Kind, Schema};
use crate::frame::uuid_text;

/// Why bytes are not the message they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    /// The bytes end within a field.
    #[error("{field} runs past the end of the message")]
    Truncated {
        /// The field's name.
        field: &'static str,
    },
    /// A field that must not be null is.
    #[error("{field} is null")]
    Null {
        /// The field's name.
        field: &'static str,
    },
    /// A number of more bytes than its kind has.
    #[error("{field} has a number that is too long")]
    VarintTooLong {
        /// The field's name.
        field: &'static str,
    },
    /// The version is none of the schema's.
    #[error("version {0} is unknown")]
    Version(i16),
}

/// Kafka's limit for how deep its messages nest is the schema's own; arrays and structs of the
/// tables nest four deep at most, so the walk needs no limit of its own.
pub(super) struct Decoder<'a> {
    bytes: &'a [u8],
    version: i16,
    flexible: bool,
    /// The message said that its group's protocol type is `consumer`.
    of_consumers: bool,
    shows_embedded: bool,
}

impl<'a> Decoder<'a> {
    /// Reads messages of `schema` in one of its versions.
    pub(super) fn new(bytes: &'a [u8], schema: &Schema, version: i16) -> Result<Self, DecodeError> {
        let (first, last) = schema.versions;
        if version < first || last < version {
            return Err(DecodeError::Version(version));
        }
        let flexible = schema.flexible_since <= version;
        Ok(Self {
            bytes,
            version,
            flexible,
            of_consumers: false,
            shows_embedded: true,
        })
    }

    /// Whether messages within bytes are shown as such.
    pub(super) fn shows_embedded(mut self, shows: bool) -> Self {
        self.shows_embedded = shows;
        self
    }

    /// A whole message, or struct, as a JSON object.
    pub(super) fn object(&mut self, fields: &[Field]) -> Result<String, DecodeError> {
        let mut texts: Vec<Option<String>> = vec![None; fields.len()];
        for (field, text) in fields.iter().zip(&mut texts) {
            let is_there = field.since <= self.version && self.version <= field.until;
            if field.tag.is_none() && is_there {
                *text = Some(self.value(field)?);
            }
        }
        if self.flexible {
            self.tagged(fields, &mut texts)?;
        }
        let mut json = String::from("{");
        for (field, text) in fields.iter().zip(texts) {
            if let Some(text) = text {
                let comma = if json.len() == 1 { "" } else { "," };
                append(&mut json, format_args!("{comma}\"{}\":{text}", field.name));
            }
        }
        json.push('}');
        Ok(json)
    }

    fn tagged(
        &mut self,
        fields: &[Field],
        texts: &mut [Option<String>],
    ) -> Result<(), DecodeError> {
        const NAME: &str = "the tagged fields";
        for _ in 0..self.varint(NAME)? {
            let tag = self.varint(NAME)?;
            let bytes_len = self.varint(NAME)? as usize;
            let bytes = self.take(NAME, bytes_len)?;
            let Some(index) = fields.iter().position(|field| field.tag == Some(tag)) else {
                continue;
            };
            let mut inner = Decoder {
                bytes,
                version: self.version,
                flexible: true,
                of_consumers: self.of_consumers,
                shows_embedded: self.shows_embedded,
            };
            texts[index] = Some(inner.tagged_value(&fields[index])?);
        }
        Ok(())
    }

    /// A value behind a tag: a struct that may be null has 0 for null or 1 before it there, as an
    /// unsigned varint, where elsewhere it has a byte that is -1 or 1.
    fn tagged_value(&mut self, field: &Field) -> Result<String, DecodeError> {
        match field.kind {
            Kind::Struct(_) if self.version < field.nullable_since => self.value(field),
            Kind::Struct(_) if self.varint(field.name)? == 0 => Ok("null".to_owned()),
            Kind::Struct(fields) => self.object(fields),
            _ => self.value(field),
        }
    }

    fn value(&mut self, field: &Field) -> Result<String, DecodeError> {
        let name = field.name;
        let text = self.nullable_value(name, field.kind, field.nullable_since <= self.version)?;
        text.map_or_else(
            || {
                if field.nullable_since <= self.version {
                    return Ok("null".to_owned());
                }
                Err(DecodeError::Null { field: name })
            },
            Ok,
        )
    }

    fn nullable_value(
        &mut self,
        name: &'static str,
        kind: Kind,
        nullable: bool,
    ) -> Result<Option<String>, DecodeError> {
        Ok(Some(match kind {
            Kind::Bool => (self.array::<1>(name)? != [0]).to_string(),
            Kind::I8 => i8::from_be_bytes(self.array(name)?).to_string(),
            Kind::I16 => i16::from_be_bytes(self.array(name)?).to_string(),
            Kind::U16 => u16::from_be_bytes(self.array(name)?).to_string(),
            Kind::I32 => i32::from_be_bytes(self.array(name)?).to_string(),
            Kind::I64 => i64::from_be_bytes(self.array(name)?).to_string(),
            Kind::F64 => format!("{:?}", f64::from_be_bytes(self.array(name)?)),
            Kind::Uuid => quoted(&uuid_text(Uuid::from_bytes(self.array(name)?))),
            Kind::Str => {
                let Some(bytes) = self.sized(name, true)? else {
                    return Ok(None);
                };
                self.of_consumers |= name == "protocolType" && bytes == b"consumer";
                quoted(&String::from_utf8_lossy(bytes))
            }
            Kind::Bytes => {
                let Some(bytes) = self.sized(name, false)? else {
                    return Ok(None);
                };
                quoted(&BASE64_STANDARD.encode(bytes))
            }
            Kind::Embedded(schema) => {
                let Some(bytes) = self.sized(name, false)? else {
                    return Ok(None);
                };
                // Bytes that are no such message are shown as they are.
                let is_message = self.of_consumers && self.shows_embedded;
                let message = is_message.then(|| embedded(bytes, schema));
                message
                    .and_then(Result::ok)
                    .unwrap_or_else(|| quoted(&BASE64_STANDARD.encode(bytes)))
            }
            Kind::Struct(fields) => {
                if nullable && i8::from_be_bytes(self.array(name)?) < 0 {
                    return Ok(None);
                }
                self.object(fields)?
            }
            Kind::Array(element) => return self.elements(name, *element),
        }))
    }

    fn elements(
        &mut self,
        name: &'static str,
        element: Kind,
    ) -> Result<Option<String>, DecodeError> {
        let Some(count) = self.length(name, false)? else {
            return Ok(None);
        };
        let mut json = String::from("[");
        for index in 0..count {
            // Every element takes a byte at least, so a wrong count ends at the end of the bytes.
            let text = self
                .nullable_value(name, element, false)?
                .ok_or(DecodeError::Null { field: name })?;
            let comma = if index == 0 { "" } else { "," };
            append(&mut json, format_args!("{comma}{text}"));
        }
        json.push(']');
        Ok(Some(json))
    }

    /// Bytes behind their length; `short` for strings, whose length was two bytes once.
    fn sized(&mut self, name: &'static str, short: bool) -> Result<Option<&'a [u8]>, DecodeError> {
        match self.length(name, short)? {
            Some(length) => self.take(name, length).map(Some),
            None => Ok(None),
        }
    }

    fn length(&mut self, name: &'static str, short: bool) -> Result<Option<usize>, DecodeError> {
        let length = if self.flexible {
            i64::from(self.varint(name)?) - 1
        } else if short {
            i64::from(i16::from_be_bytes(self.array(name)?))
        } else {
            i64::from(i32::from_be_bytes(self.array(name)?))
        };
        Ok(usize::try_from(length).ok())
    }

    fn varint(&mut self, name: &'static str) -> Result<u32, DecodeError> {
        let mut value = 0;
        for shift in (0..32).step_by(7) {
            let [byte] = self.array(name)?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError::VarintTooLong { field: name })
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self
            .bytes
            .split_first_chunk()
            .ok_or(DecodeError::Truncated { field })?;
        self.bytes = rest;
        Ok(*taken)
    }

    fn take(&mut self, field: &'static str, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(count)
            .ok_or(DecodeError::Truncated { field })?;
        self.bytes = rest;
        Ok(taken)
    }
}

/// A message behind two bytes that are its version.
pub(super) fn embedded(bytes: &[u8], schema: &Schema) -> Result<String, DecodeError> {
    let (version, bytes) = bytes
        .split_first_chunk()
        .ok_or(DecodeError::Truncated { field: "version" })?;
    Decoder::new(bytes, schema, i16::from_be_bytes(*version))?.object(schema.fields)
}

/// A text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn append(json: &mut String, text: std::fmt::Arguments<'_>) {
    json.write_fmt(text).expect("a String takes every text");
}
