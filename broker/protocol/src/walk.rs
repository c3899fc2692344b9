//! The walk over a body's bytes along its shape, which bounds what decoding them will allocate.

use crate::error::ProtocolError;
use crate::schema::{Field, Kind};

/// What kafka-protocol allocates for a structure's first unknown tagged field: a B-tree leaf with
/// room for 11 pairs of an i32 and a `Bytes`.
const FIRST_TAG_BYTES: usize = 512;

/// What each further one costs at most, when leaves are half full and with its share of inner
/// nodes.
const TAG_BYTES: usize = 128;

/// A cursor over the body with the rest of its memory allowance.
pub(crate) struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    is_flexible: bool,
    decoded_bytes_max: usize,
    decoded_bytes_left: usize,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(
        bytes: &'a [u8],
        version: i16,
        is_flexible: bool,
        decoded_bytes_max: usize,
    ) -> Self {
        Self {
            rest: bytes,
            version,
            is_flexible,
            decoded_bytes_max,
            decoded_bytes_left: decoded_bytes_max,
        }
    }

    /// What has not been walked over yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Walks over a structure's fields and, in flexible versions, its tagged fields.
    pub(crate) fn structure(
        &mut self,
        name: &'static str,
        fields: &[Field],
    ) -> Result<(), ProtocolError> {
        for field in fields {
            if field.tag.is_none() && field.is_present(self.version) {
                self.field(field)?;
            }
        }
        if self.is_flexible {
            self.tags(name, fields)
        } else {
            Ok(())
        }
    }

    fn field(&mut self, field: &Field) -> Result<(), ProtocolError> {
        let name = field.name;
        match field.kind {
            Kind::Fixed(bytes) => self.skip(bytes, name),
            Kind::String => self.string(name).map(drop),
            Kind::Bytes => {
                let length = self.length(name)?.unwrap_or(0);
                self.skip(length, name)
            }
            Kind::Numbers(bytes) => {
                let count = self.count(name, bytes)?.unwrap_or(0);
                self.skip(count.saturating_mul(bytes), name)
            }
            Kind::Strings { element_bytes } => {
                for _ in 0..self.count(name, element_bytes)?.unwrap_or(0) {
                    self.string(name)?;
                }
                Ok(())
            }
            Kind::Array {
                element_bytes,
                fields,
            } => {
                for _ in 0..self.count(name, element_bytes)?.unwrap_or(0) {
                    self.structure(name, fields)?;
                }
                Ok(())
            }
            Kind::Structure(fields) => self.structure(name, fields),
            Kind::Option(fields) => match self.take(1, name)? {
                [1] => self.structure(name, fields),
                [0x80..=0xff] => Ok(()),
                _ => Err(ProtocolError::LengthInvalid { field: name }),
            },
        }
    }

    /// Reads an array's length, `None` for null, and charges for the elements: decoders allocate
    /// them all before reading one.
    pub(crate) fn count(
        &mut self,
        name: &'static str,
        element_bytes: usize,
    ) -> Result<Option<usize>, ProtocolError> {
        let count = self.length(name)?;
        self.charge(count.unwrap_or(0).saturating_mul(element_bytes), name)?;
        Ok(count)
    }

    fn charge(&mut self, bytes: usize, field: &'static str) -> Result<(), ProtocolError> {
        let decoded_bytes_max = self.decoded_bytes_max;
        let left = self.decoded_bytes_left.checked_sub(bytes);
        self.decoded_bytes_left = left.ok_or(ProtocolError::DecodedTooLarge {
            field,
            decoded_bytes_max,
        })?;
        Ok(())
    }

    /// Walks over a structure's tagged fields. kafka-protocol ignores the size of those it knows,
    /// so here their content must fill it exactly.
    fn tags(&mut self, name: &'static str, fields: &[Field]) -> Result<(), ProtocolError> {
        let mut unknown_count = 0usize;
        for _ in 0..self.varint(name)? {
            let tag = self.varint(name)?;
            let size = self.varint(name)?;
            let content = self.take(usize_of(size), name)?;
            if let Some(field) = fields.iter().find(|field| field.tag == Some(tag)) {
                if !field.is_present(self.version) {
                    return Err(ProtocolError::LengthInvalid { field: field.name });
                }
                let after = std::mem::replace(&mut self.rest, content);
                self.field(field)?;
                let left_bytes = std::mem::replace(&mut self.rest, after).len();
                if left_bytes != 0 {
                    return Err(ProtocolError::LengthInvalid { field: field.name });
                }
            } else {
                let bytes = if unknown_count == 0 {
                    FIRST_TAG_BYTES
                } else {
                    TAG_BYTES
                };
                self.charge(bytes, name)?;
                unknown_count = unknown_count.saturating_add(1);
            }
        }
        Ok(())
    }

    /// Walks over tagged fields of which none is known and none will be decoded.
    #[inline]
    pub(crate) fn skip_tags(&mut self, name: &'static str) -> Result<(), ProtocolError> {
        // As nearly always.
        if let [0, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(());
        }
        self.skip_some_tags(name)
    }

    fn skip_some_tags(&mut self, name: &'static str) -> Result<(), ProtocolError> {
        for _ in 0..self.varint(name)? {
            self.varint(name)?;
            let size = self.varint(name)?;
            self.skip(usize_of(size), name)?;
        }
        Ok(())
    }

    /// Walks over a string and returns its bytes, or `None` for null.
    pub(crate) fn string(&mut self, name: &'static str) -> Result<Option<&'a [u8]>, ProtocolError> {
        let length = if self.is_flexible {
            self.compact_length(name)?
        } else {
            signed_length(i16::from_be_bytes(self.chunk(name)?).into(), name)?
        };
        length.map(|length| self.take(length, name)).transpose()
    }

    /// The length of bytes or of an array, or `None` for null.
    pub(crate) fn length(&mut self, name: &'static str) -> Result<Option<usize>, ProtocolError> {
        if self.is_flexible {
            self.compact_length(name)
        } else {
            signed_length(i32::from_be_bytes(self.chunk(name)?), name)
        }
    }

    fn compact_length(&mut self, name: &'static str) -> Result<Option<usize>, ProtocolError> {
        Ok(self.varint(name)?.checked_sub(1).map(usize_of))
    }

    /// An unsigned varint of at most five bytes.
    #[inline]
    fn varint(&mut self, field: &'static str) -> Result<u32, ProtocolError> {
        // As mostly.
        if let [byte @ ..0x80, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(u32::from(*byte));
        }
        self.long_varint(field)
    }

    fn long_varint(&mut self, field: &'static str) -> Result<u32, ProtocolError> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.chunk(field)?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                let is_within_u32 = shift < 28 || byte < 0x10;
                return is_within_u32
                    .then_some(value)
                    .ok_or(ProtocolError::LengthInvalid { field });
            }
        }
        Err(ProtocolError::LengthInvalid { field })
    }

    /// Walks over `bytes` bytes.
    pub(crate) fn skip(&mut self, bytes: usize, name: &'static str) -> Result<(), ProtocolError> {
        self.take(bytes, name).map(drop)
    }

    pub(crate) fn take(
        &mut self,
        bytes: usize,
        field: &'static str,
    ) -> Result<&'a [u8], ProtocolError> {
        let truncated = ProtocolError::Truncated { field };
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or(truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    pub(crate) fn chunk<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], ProtocolError> {
        let truncated = ProtocolError::Truncated { field };
        let (chunk, rest) = self.rest.split_first_chunk::<N>().ok_or(truncated)?;
        self.rest = rest;
        Ok(*chunk)
    }
}

fn signed_length(length: i32, field: &'static str) -> Result<Option<usize>, ProtocolError> {
    match usize::try_from(length) {
        Ok(length) => Ok(Some(length)),
        Err(_) if length == -1 => Ok(None),
        Err(_) => Err(ProtocolError::LengthInvalid { field }),
    }
}

/// A u32 as a size in memory. On a machine with a 16-bit usize it would be out of every range
/// anyway.
fn usize_of(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
