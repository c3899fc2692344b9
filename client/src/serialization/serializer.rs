//! The trait of what turns keys and values into bytes.

use bytes::Bytes;

use super::SerializationError;
use crate::headers::Headers;

/// Turns keys or values of type `T` into bytes.
///
/// The value is given away, so that one that owns its bytes need not be copied.
///
/// ```
/// use bytes::Bytes;
/// use ringbrook_client::{Header, Headers};
/// use ringbrook_client::serialization::{SerializationError, Serializer};
///
/// struct Temperature {
///     celsius: f32,
/// }
///
/// struct TemperatureSerializer;
///
/// impl Serializer<Temperature> for TemperatureSerializer {
///     fn serialize(
///         &self,
///         _topic: &str,
///         headers: &mut Headers,
///         data: Temperature,
///     ) -> Result<Bytes, SerializationError> {
///         if data.celsius < -273.15 {
///             return Err("colder than nothing".into());
///         }
///         headers.add(Header::new("unit", "C"));
///         Ok(format!("{:.1}", data.celsius).into())
///     }
/// }
///
/// let mut headers = Headers::new();
/// let data = Temperature { celsius: 21.0 };
/// let bytes = TemperatureSerializer.serialize("rooms", &mut headers, data)?;
/// assert_eq!(bytes, "21.0");
/// # Ok::<(), SerializationError>(())
/// ```
pub trait Serializer<T>: Send + Sync {
    /// The bytes of `data`, bound for `topic`; `headers` are the record's and may be added to.
    ///
    /// # Errors
    /// The value has no bytes in this format. The record is not sent.
    fn serialize(
        &self,
        topic: &str,
        headers: &mut Headers,
        data: T,
    ) -> Result<Bytes, SerializationError>;
}
