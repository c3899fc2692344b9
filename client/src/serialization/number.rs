//! Numbers: big-endian, of fixed length, as Java's `DataOutput` writes them.

use bytes::Bytes;

use super::{Deserializer, SerializationError, Serializer};
use crate::headers::Headers;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $type:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default)]
        pub struct $name;

        impl Serializer<$type> for $name {
            fn serialize(
                &self,
                _topic: &str,
                _headers: &mut Headers,
                data: $type,
            ) -> Result<Bytes, SerializationError> {
                Ok(Bytes::copy_from_slice(&data.to_be_bytes()))
            }
        }

        impl Deserializer<$type> for $name {
            fn deserialize(
                &self,
                _topic: &str,
                _headers: &Headers,
                data: Bytes,
            ) -> Result<$type, SerializationError> {
                Ok(<$type>::from_be_bytes(exactly(&data)?))
            }
        }
    };
}

number!(
    /// `i16` in 2 bytes: `ShortSerializer`.
    ShortSerializer,
    i16
);
number!(
    /// `i32` in 4 bytes: `IntegerSerializer`.
    IntegerSerializer,
    i32
);
number!(
    /// `i64` in 8 bytes: `LongSerializer`.
    LongSerializer,
    i64
);
number!(
    /// `f32` in 4 bytes, by IEEE 754: `FloatSerializer`.
    FloatSerializer,
    f32
);
number!(
    /// `f64` in 8 bytes, by IEEE 754: `DoubleSerializer`.
    DoubleSerializer,
    f64
);

/// `bool` in one byte, 0 or 1: `BooleanSerializer`.
#[derive(Debug, Clone, Copy, Default)]
pub struct BooleanSerializer;

impl Serializer<bool> for BooleanSerializer {
    fn serialize(
        &self,
        _topic: &str,
        _headers: &mut Headers,
        data: bool,
    ) -> Result<Bytes, SerializationError> {
        Ok(Bytes::from_static(if data { &[1] } else { &[0] }))
    }
}

impl Deserializer<bool> for BooleanSerializer {
    fn deserialize(
        &self,
        _topic: &str,
        _headers: &Headers,
        data: Bytes,
    ) -> Result<bool, SerializationError> {
        match exactly(&data)? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(format!("{other} is neither 0 (false) nor 1 (true)").into()),
        }
    }
}

fn exactly<const N: usize>(data: &Bytes) -> Result<[u8; N], SerializationError> {
    let array = data.as_ref().try_into();
    array.map_err(|_| format!("{} bytes, where {N} are expected", data.len()).into())
}
