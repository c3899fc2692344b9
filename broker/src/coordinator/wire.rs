//! Kafka's primitive types in the records of internal topics: checked reads from a slice, writes
//! into a growing buffer. Not for requests and responses, which `ringbrook_protocol` codes.
//!
//! Big-endian integers; a string is an i16 length (compact: unsigned varint of length + 1, where 0
//! is null) and UTF-8; bytes and arrays likewise with an i32 length; flexible structs end in tagged
//! fields (count, then tag, size and data each).

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;
use uuid::Uuid;

/// Why bytes are not the record they should be, or a record cannot be written.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemaError {
    /// The bytes end inside a field.
    #[error("record ends after {available} of {needed} bytes of a field")]
    Truncated {
        /// Bytes the field needs.
        needed: usize,
        /// Bytes that are there.
        available: usize,
    },
    /// A length is negative or a field that must not be null is.
    #[error("invalid length {length}")]
    InvalidLength {
        /// The length found.
        length: i64,
    },
    /// A varint has more than five bytes.
    #[error("varint too long")]
    InvalidVarint,
    /// A string is not UTF-8.
    #[error("string is not utf-8")]
    InvalidUtf8,
    /// The version of the value is newer than this broker knows.
    #[error("unsupported version {version} of {record}")]
    UnsupportedVersion {
        /// Name of the record schema.
        record: &'static str,
        /// The version found.
        version: i16,
    },
    /// A number that stands for one of a few things stands for none of them.
    #[error("{value} is no {field}")]
    InvalidValue {
        /// Name of the field.
        field: &'static str,
        /// The number found.
        value: i64,
    },
    /// A string or byte array is too long for the length field.
    #[error("field of {length} bytes is too long to be written")]
    TooLong {
        /// Bytes of the field.
        length: usize,
    },
}

/// Reads fields from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn remaining(&self) -> usize {
        self.rest.len()
    }

    fn take(&mut self, needed: usize) -> Result<&'a [u8], SchemaError> {
        let available = self.rest.len();
        let (taken, rest) = self
            .rest
            .split_at_checked(needed)
            .ok_or(SchemaError::Truncated { needed, available })?;
        self.rest = rest;
        Ok(taken)
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], SchemaError> {
        let available = self.rest.len();
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(SchemaError::Truncated {
                needed: N,
                available,
            })?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn i8(&mut self) -> Result<i8, SchemaError> {
        Ok(i8::from_be_bytes(self.take_array()?))
    }

    pub(crate) fn i16(&mut self) -> Result<i16, SchemaError> {
        Ok(i16::from_be_bytes(self.take_array()?))
    }

    pub(crate) fn i32(&mut self) -> Result<i32, SchemaError> {
        Ok(i32::from_be_bytes(self.take_array()?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64, SchemaError> {
        Ok(i64::from_be_bytes(self.take_array()?))
    }

    pub(crate) fn uuid(&mut self) -> Result<Uuid, SchemaError> {
        Ok(Uuid::from_bytes(self.take_array()?))
    }

    pub(crate) fn unsigned_varint(&mut self) -> Result<u32, SchemaError> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.take_array()?;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && 0x0f < bits {
                return Err(SchemaError::InvalidVarint);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(SchemaError::InvalidVarint)
    }

    /// The length before a string, bytes or array; `None` is null.
    fn length(&mut self, form: Form) -> Result<Option<usize>, SchemaError> {
        let length = match form {
            Form::ShortString => i64::from(self.i16()?),
            Form::Long => i64::from(self.i32()?),
            Form::Compact => i64::from(self.unsigned_varint()?) - 1,
        };
        match usize::try_from(length) {
            Ok(length) => Ok(Some(length)),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(SchemaError::InvalidLength { length }),
        }
    }

    pub(crate) fn nullable_string(
        &mut self,
        flexible: bool,
    ) -> Result<Option<Arc<str>>, SchemaError> {
        let form = if flexible {
            Form::Compact
        } else {
            Form::ShortString
        };
        let Some(length) = self.length(form)? else {
            return Ok(None);
        };
        let text = str::from_utf8(self.take(length)?).map_err(|_| SchemaError::InvalidUtf8)?;
        Ok(Some(Arc::from(text)))
    }

    pub(crate) fn string(&mut self, flexible: bool) -> Result<Arc<str>, SchemaError> {
        self.nullable_string(flexible)?
            .ok_or(SchemaError::InvalidLength { length: -1 })
    }

    /// A byte array, copied so that it does not keep the buffer it came from.
    pub(crate) fn bytes(&mut self, flexible: bool) -> Result<Bytes, SchemaError> {
        let form = if flexible { Form::Compact } else { Form::Long };
        let length = self
            .length(form)?
            .ok_or(SchemaError::InvalidLength { length: -1 })?;
        Ok(Bytes::copy_from_slice(self.take(length)?))
    }

    /// The number of elements of an array. The caller must not reserve memory for it unchecked.
    pub(crate) fn array_length(&mut self, flexible: bool) -> Result<usize, SchemaError> {
        self.nullable_array_length(flexible)?
            .ok_or(SchemaError::InvalidLength { length: -1 })
    }

    /// As [`Self::array_length`], of an array that may be null.
    pub(crate) fn nullable_array_length(
        &mut self,
        flexible: bool,
    ) -> Result<Option<usize>, SchemaError> {
        self.length(if flexible { Form::Compact } else { Form::Long })
    }

    /// Reads the tagged fields at the end of a flexible struct, giving each to `visit`.
    pub(crate) fn tagged_fields(
        &mut self,
        mut visit: impl FnMut(u32, &'a [u8]) -> Result<(), SchemaError>,
    ) -> Result<(), SchemaError> {
        let count = self.unsigned_varint()?;
        // Each field takes two bytes at least, so a huge count ends at the end of the bytes.
        for _ in 0..count {
            let tag = self.unsigned_varint()?;
            let size = self.unsigned_varint()?;
            let size = usize::try_from(size).map_err(|_| SchemaError::InvalidLength {
                length: i64::from(size),
            })?;
            visit(tag, self.take(size)?)?;
        }
        Ok(())
    }
}

/// How a length is written.
#[derive(Clone, Copy)]
enum Form {
    ShortString,
    Long,
    Compact,
}

/// Writes fields to the end of a buffer.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: BytesMut,
}

impl Writer {
    pub(crate) fn with_capacity(capacity_bytes: usize) -> Self {
        Self {
            bytes: BytesMut::with_capacity(capacity_bytes),
        }
    }

    pub(crate) fn finish(self) -> Bytes {
        self.bytes.freeze()
    }

    pub(crate) fn i8(&mut self, value: i8) {
        self.bytes.put_i8(value);
    }

    pub(crate) fn i16(&mut self, value: i16) {
        self.bytes.put_i16(value);
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.bytes.put_i32(value);
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.bytes.put_i64(value);
    }

    pub(crate) fn uuid(&mut self, value: Uuid) {
        self.bytes.put_slice(value.as_bytes());
    }

    pub(crate) fn unsigned_varint(&mut self, mut value: u32) {
        loop {
            let [low, ..] = (value & 0x7f).to_le_bytes();
            value >>= 7;
            if value == 0 {
                self.bytes.put_u8(low);
                return;
            }
            self.bytes.put_u8(low | 0x80);
        }
    }

    pub(crate) fn string(&mut self, text: &str) -> Result<(), SchemaError> {
        let length =
            i16::try_from(text.len()).map_err(|_| SchemaError::TooLong { length: text.len() })?;
        self.bytes.put_i16(length);
        self.bytes.put_slice(text.as_bytes());
        Ok(())
    }

    pub(crate) fn nullable_string(&mut self, text: Option<&str>) -> Result<(), SchemaError> {
        match text {
            Some(text) => self.string(text),
            None => {
                self.bytes.put_i16(-1);
                Ok(())
            }
        }
    }

    pub(crate) fn compact_string(&mut self, text: &str) -> Result<(), SchemaError> {
        self.compact_bytes(text.as_bytes())
    }

    pub(crate) fn nullable_compact_string(
        &mut self,
        text: Option<&str>,
    ) -> Result<(), SchemaError> {
        match text {
            Some(text) => self.compact_string(text),
            None => {
                self.unsigned_varint(0);
                Ok(())
            }
        }
    }

    pub(crate) fn compact_bytes(&mut self, bytes: &[u8]) -> Result<(), SchemaError> {
        self.compact_array_length(bytes.len())?;
        self.bytes.put_slice(bytes);
        Ok(())
    }

    /// Writes one tagged field; their count comes before the first.
    pub(crate) fn tagged_field(&mut self, tag: u32, field: &[u8]) -> Result<(), SchemaError> {
        let length = field.len();
        let size = u32::try_from(length).map_err(|_| SchemaError::TooLong { length })?;
        self.unsigned_varint(tag);
        self.unsigned_varint(size);
        self.bytes.put_slice(field);
        Ok(())
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), SchemaError> {
        self.array_length(bytes.len())?;
        self.bytes.put_slice(bytes);
        Ok(())
    }

    pub(crate) fn compact_array_length(&mut self, length: usize) -> Result<(), SchemaError> {
        let length_plus_1 = u32::try_from(length)
            .ok()
            .and_then(|length| length.checked_add(1))
            .ok_or(SchemaError::TooLong { length })?;
        self.unsigned_varint(length_plus_1);
        Ok(())
    }

    pub(crate) fn array_length(&mut self, length: usize) -> Result<(), SchemaError> {
        let length = i32::try_from(length).map_err(|_| SchemaError::TooLong { length })?;
        self.bytes.put_i32(length);
        Ok(())
    }
}
