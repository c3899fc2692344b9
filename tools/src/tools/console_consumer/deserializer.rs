//! Bytes as text, by the names of Kafka's deserializers.

use std::borrow::Cow;

use uuid::Uuid;

use crate::frame::java_float;

/// How bytes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deserializer {
    /// As they are, valid UTF-8 or not.
    Raw,
    String,
    Boolean,
    Short,
    Integer,
    Long,
    Float,
    Double,
    Uuid,
    /// Printable ASCII, and `\xNN` for the rest.
    Bytes,
}

impl Deserializer {
    /// The deserializer of a class name, with or without its package.
    pub(super) fn named(class: &str) -> Option<Self> {
        Some(match class.rsplit('.').next()? {
            "StringDeserializer" => Self::String,
            "ByteArrayDeserializer" => Self::Raw,
            "BooleanDeserializer" => Self::Boolean,
            "ShortDeserializer" => Self::Short,
            "IntegerDeserializer" => Self::Integer,
            "LongDeserializer" => Self::Long,
            "FloatDeserializer" => Self::Float,
            "DoubleDeserializer" => Self::Double,
            "UUIDDeserializer" => Self::Uuid,
            "BytesDeserializer" => Self::Bytes,
            _ => return None,
        })
    }

    /// The bytes as text.
    ///
    /// # Errors
    /// They are not of this kind, in words.
    pub(super) fn text(self, bytes: &[u8]) -> Result<Cow<'_, [u8]>, String> {
        let text = match self {
            Self::Raw => return Ok(Cow::Borrowed(bytes)),
            Self::String => String::from_utf8_lossy(bytes).into_owned(),
            Self::Boolean => match array::<1>(bytes, "BooleanDeserializer")? {
                [0] => "false".to_owned(),
                [1] => "true".to_owned(),
                [byte] => {
                    return Err(format!(
                        "Unexpected byte received by BooleanDeserializer: {byte}"
                    ));
                }
            },
            Self::Short => i16::from_be_bytes(array(bytes, "ShortDeserializer")?).to_string(),
            Self::Integer => i32::from_be_bytes(array(bytes, "IntegerDeserializer")?).to_string(),
            Self::Long => i64::from_be_bytes(array(bytes, "LongDeserializer")?).to_string(),
            Self::Float => {
                let value = f32::from_be_bytes(array(bytes, "FloatDeserializer")?);
                java_float(value.into(), &format!("{value:?}"), &format!("{value:E}"))
            }
            Self::Double => {
                let value = f64::from_be_bytes(array(bytes, "DoubleDeserializer")?);
                java_float(value, &format!("{value:?}"), &format!("{value:E}"))
            }
            Self::Uuid => {
                let text = String::from_utf8_lossy(bytes);
                Uuid::try_parse(&text)
                    .map_err(|_| format!("Error parsing data into UUID: {text}"))?
                    .to_string()
            }
            Self::Bytes => bytes.iter().map(|byte| java_byte(*byte)).collect(),
        };
        Ok(Cow::Owned(text.into_bytes()))
    }
}

fn array<const N: usize>(bytes: &[u8], name: &str) -> Result<[u8; N], String> {
    let is_not = |_| format!("Size of data received by {name} is not {N}");
    bytes.try_into().map_err(is_not)
}

/// A byte as Kafka's `Bytes` shows it.
fn java_byte(byte: u8) -> String {
    match byte {
        b' '..=b'~' if byte != b'\\' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02X}"),
    }
}

#[cfg(test)]
mod tests;
