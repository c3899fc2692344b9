//! The variable-length integers of records: zigzag, then groups of 7 bits, lowest first.
//!
//! Source: Kafka `ByteUtils.readVarint`/`readVarlong`. As there, a varint takes at most 5 bytes
//! and a varlong at most 10; bits beyond the 32nd or 64th of the last byte are dropped.

use bytes::BufMut;

use crate::error::RecordProblem;

/// Most bytes of a varint.
pub const VARINT_BYTES_MAX: usize = 5;
/// Most bytes of a varlong.
pub const VARLONG_BYTES_MAX: usize = 10;

const MORE: u8 = 0x80;
const GROUP: u8 = 0x7F;
const GROUP_BITS: u32 = 7;

/// Reads a varint from the start of `bytes` and moves `bytes` behind it.
///
/// # Errors
/// [`RecordProblem::Truncated`] when the bytes end in it, [`RecordProblem::VarintTooLong`].
pub fn read_varint(bytes: &mut &[u8]) -> Result<i32, RecordProblem> {
    read_varint_from(|| next_byte(bytes))
}

/// Reads a varlong from the start of `bytes` and moves `bytes` behind it.
///
/// # Errors
/// [`RecordProblem::Truncated`] when the bytes end in it, [`RecordProblem::VarintTooLong`].
pub fn read_varlong(bytes: &mut &[u8]) -> Result<i64, RecordProblem> {
    read_varlong_from(|| next_byte(bytes))
}

/// Appends `value` as a varint.
pub fn put_varint(out: &mut impl BufMut, value: i32) {
    let mut rest = zigzag_int(value);
    while u32::from(GROUP) < rest {
        let [low, ..] = rest.to_le_bytes();
        out.put_u8(low | MORE);
        rest >>= GROUP_BITS;
    }
    let [low, ..] = rest.to_le_bytes();
    out.put_u8(low);
}

/// Appends `value` as a varlong.
pub fn put_varlong(out: &mut impl BufMut, value: i64) {
    let mut rest = zigzag_long(value);
    while u64::from(GROUP) < rest {
        let [low, ..] = rest.to_le_bytes();
        out.put_u8(low | MORE);
        rest >>= GROUP_BITS;
    }
    let [low, ..] = rest.to_le_bytes();
    out.put_u8(low);
}

/// Bytes of `value` as a varint: 1 to 5.
#[must_use]
pub fn varint_bytes(value: i32) -> usize {
    varlong_bytes(i64::from(value))
}

/// Bytes of `value` as a varlong: 1 to 10.
#[must_use]
pub fn varlong_bytes(value: i64) -> usize {
    let mut rest = zigzag_long(value) >> GROUP_BITS;
    let mut count = 1_usize;
    while rest != 0 {
        rest >>= GROUP_BITS;
        count = count.saturating_add(1);
    }
    count
}

/// Reads a varint byte by byte from any source.
#[inline]
pub(crate) fn read_varint_from<E: From<RecordProblem>>(
    mut next: impl FnMut() -> Result<u8, E>,
) -> Result<i32, E> {
    let mut value = 0_u32;
    let mut shift = 0_u32;
    for _ in 0..VARINT_BYTES_MAX {
        let byte = next()?;
        value |= u32::from(byte & GROUP).wrapping_shl(shift);
        if byte < MORE {
            return Ok((value >> 1).cast_signed() ^ (value & 1).cast_signed().wrapping_neg());
        }
        shift = shift.wrapping_add(GROUP_BITS);
    }
    Err(RecordProblem::VarintTooLong.into())
}

/// Reads a varlong byte by byte from any source.
#[inline]
pub(crate) fn read_varlong_from<E: From<RecordProblem>>(
    mut next: impl FnMut() -> Result<u8, E>,
) -> Result<i64, E> {
    let mut value = 0_u64;
    let mut shift = 0_u32;
    for _ in 0..VARLONG_BYTES_MAX {
        let byte = next()?;
        value |= u64::from(byte & GROUP).wrapping_shl(shift);
        if byte < MORE {
            return Ok((value >> 1).cast_signed() ^ (value & 1).cast_signed().wrapping_neg());
        }
        shift = shift.wrapping_add(GROUP_BITS);
    }
    Err(RecordProblem::VarintTooLong.into())
}

#[inline]
fn next_byte(bytes: &mut &[u8]) -> Result<u8, RecordProblem> {
    let (first, rest) = bytes.split_first().ok_or(RecordProblem::Truncated)?;
    *bytes = rest;
    Ok(*first)
}

fn zigzag_int(value: i32) -> u32 {
    (value.wrapping_shl(1) ^ (value >> 31)).cast_unsigned()
}

fn zigzag_long(value: i64) -> u64 {
    (value.wrapping_shl(1) ^ (value >> 63)).cast_unsigned()
}

#[cfg(test)]
mod tests;
