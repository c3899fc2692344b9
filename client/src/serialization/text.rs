//! Texts and bytes as they are, and UUIDs as text.

use bytes::Bytes;
use uuid::Uuid;

use super::{Deserializer, SerializationError, Serializer};
use crate::headers::Headers;

/// Texts in UTF-8: `StringSerializer`. Unlike Kafka's, which puts U+FFFD in the place of what is
/// not UTF-8, the other way refuses it: silently changed data is nobody's wish.
#[derive(Debug, Clone, Copy, Default)]
pub struct StringSerializer;

impl Serializer<String> for StringSerializer {
    fn serialize(
        &self,
        _topic: &str,
        _headers: &mut Headers,
        data: String,
    ) -> Result<Bytes, SerializationError> {
        Ok(data.into())
    }
}

impl Serializer<&str> for StringSerializer {
    fn serialize(
        &self,
        _topic: &str,
        _headers: &mut Headers,
        data: &str,
    ) -> Result<Bytes, SerializationError> {
        Ok(Bytes::copy_from_slice(data.as_bytes()))
    }
}

impl Deserializer<String> for StringSerializer {
    fn deserialize(
        &self,
        _topic: &str,
        _headers: &Headers,
        data: Bytes,
    ) -> Result<String, SerializationError> {
        String::from_utf8(data.into()).map_err(|error| format!("not UTF-8: {error}").into())
    }
}

/// Bytes as they are: `ByteArraySerializer` and `BytesSerializer`. [`Bytes`] and `Vec<u8>` are not
/// copied.
#[derive(Debug, Clone, Copy, Default)]
pub struct BytesSerializer;

impl Serializer<Bytes> for BytesSerializer {
    fn serialize(
        &self,
        _topic: &str,
        _headers: &mut Headers,
        data: Bytes,
    ) -> Result<Bytes, SerializationError> {
        Ok(data)
    }
}

impl Serializer<Vec<u8>> for BytesSerializer {
    fn serialize(
        &self,
        _topic: &str,
        _headers: &mut Headers,
        data: Vec<u8>,
    ) -> Result<Bytes, SerializationError> {
        Ok(data.into())
    }
}

impl Serializer<&[u8]> for BytesSerializer {
    fn serialize(
        &self,
        _topic: &str,
        _headers: &mut Headers,
        data: &[u8],
    ) -> Result<Bytes, SerializationError> {
        Ok(Bytes::copy_from_slice(data))
    }
}

impl Deserializer<Bytes> for BytesSerializer {
    fn deserialize(
        &self,
        _topic: &str,
        _headers: &Headers,
        data: Bytes,
    ) -> Result<Bytes, SerializationError> {
        Ok(data)
    }
}

impl Deserializer<Vec<u8>> for BytesSerializer {
    fn deserialize(
        &self,
        _topic: &str,
        _headers: &Headers,
        data: Bytes,
    ) -> Result<Vec<u8>, SerializationError> {
        Ok(data.into())
    }
}

/// UUIDs as text of 36 characters, lower case, with hyphens: `UUIDSerializer`. Any case is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct UuidSerializer;

impl Serializer<Uuid> for UuidSerializer {
    fn serialize(
        &self,
        _topic: &str,
        _headers: &mut Headers,
        data: Uuid,
    ) -> Result<Bytes, SerializationError> {
        let mut text = Uuid::encode_buffer();
        let text = data.hyphenated().encode_lower(&mut text);
        Ok(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl Deserializer<Uuid> for UuidSerializer {
    fn deserialize(
        &self,
        _topic: &str,
        _headers: &Headers,
        data: Bytes,
    ) -> Result<Uuid, SerializationError> {
        Uuid::try_parse_ascii(&data).map_err(|error| format!("not a UUID: {error}").into())
    }
}
