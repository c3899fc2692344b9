//! The trait of what turns bytes into keys and values.

use bytes::Bytes;

use super::SerializationError;
use crate::headers::Headers;

/// Turns bytes into keys or values of type `T`. The serializers of this module do both.
pub trait Deserializer<T>: Send + Sync {
    /// The value of `data`, read from `topic` with these headers.
    ///
    /// # Errors
    /// These are not the bytes of such a value.
    fn deserialize(
        &self,
        topic: &str,
        headers: &Headers,
        data: Bytes,
    ) -> Result<T, SerializationError>;
}
