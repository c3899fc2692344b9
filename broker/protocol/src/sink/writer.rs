//! What bodies written by hand are made of: strings and lengths in either encoding.

use bytes::BufMut;

use super::ResponseSink;
use crate::error::ProtocolError;

/// Writes a body of one version.
pub(crate) struct Writer<'a> {
    pub(super) sink: &'a mut ResponseSink,
    version: i16,
    is_flexible: bool,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(sink: &'a mut ResponseSink, version: i16, is_flexible: bool) -> Self {
        Self {
            sink,
            version,
            is_flexible,
        }
    }

    pub(crate) fn version(&self) -> i16 {
        self.version
    }

    pub(super) fn is_flexible(&self) -> bool {
        self.is_flexible
    }

    pub(crate) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.sink.bytes
    }

    /// Text; `None` is null.
    pub(crate) fn string(&mut self, text: Option<&str>) -> Result<(), ProtocolError> {
        match (self.is_flexible, text) {
            (true, _) => self.length(text.map(str::len))?,
            (false, None) => self.out().put_i16(-1),
            (false, Some(text)) => self.out().put_i16(fit(text.len())?),
        }
        self.out().put_slice(text.unwrap_or_default().as_bytes());
        Ok(())
    }

    /// The length of an array or of records; `None` is null.
    #[inline]
    pub(crate) fn length(&mut self, length: Option<usize>) -> Result<(), ProtocolError> {
        match (self.is_flexible, length) {
            (true, None) => self.varint(0),
            (true, Some(length)) => self.varint(fit(length.saturating_add(1))?),
            (false, None) => self.out().put_i32(-1),
            (false, Some(length)) => self.out().put_i32(fit(length)?),
        }
        Ok(())
    }

    /// Ends a structure without tagged fields.
    #[inline]
    pub(crate) fn no_tags(&mut self) {
        if self.is_flexible {
            self.varint(0);
        }
    }

    pub(super) fn varint(&mut self, value: u32) {
        put_varint(self.out(), value);
    }
}

/// An unsigned varint.
#[inline]
pub(super) fn put_varint(out: &mut Vec<u8>, value: u32) {
    match u8::try_from(value) {
        // As mostly.
        Ok(byte @ ..0x80) => out.push(byte),
        _ => put_long_varint(out, value),
    }
}

fn put_long_varint(out: &mut Vec<u8>, mut value: u32) {
    while let low @ 0x80.. = value {
        out.put_u8((low & 0x7f) as u8 | 0x80);
        value = low >> 7;
    }
    out.put_u8((value & 0x7f) as u8);
}

/// A length as a number of the width that the wire has for it.
pub(super) fn fit<T: TryFrom<usize>>(length: usize) -> Result<T, ProtocolError> {
    T::try_from(length)
        .map_err(|_| ProtocolError::Unencodable(format!("length {length} too large")))
}
