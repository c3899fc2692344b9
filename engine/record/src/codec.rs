//! The compression codecs a batch may name in its attributes, their levels, and compression.
//!
//! Each codec is a module below: a function that compresses in one go, and the step by which
//! [`crate::Decoder`] decompresses. Decompression as a whole is in [`crate::decoder`].

pub(crate) mod gzip;
pub(crate) mod lz4;
pub(crate) mod snappy;
pub(crate) mod zstd;

use std::fmt;
use std::io;
use std::ops::RangeInclusive;

use crate::error::RecordError;

/// Compression codec of a record batch: bits 0 to 2 of the attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Records stored as they are. Id 0.
    None,
    /// An RFC 1952 member. Id 1.
    Gzip,
    /// Snappy: written with xerial framing, read with or without. Id 2.
    Snappy,
    /// An LZ4 frame of independent blocks. Id 3.
    Lz4,
    /// A Zstandard frame (KIP-110). Id 4.
    Zstd,
}

impl Codec {
    /// Every codec, in the order of their ids.
    pub const ALL: [Codec; 5] = [
        Codec::None,
        Codec::Gzip,
        Codec::Snappy,
        Codec::Lz4,
        Codec::Zstd,
    ];

    /// The codec of an id.
    ///
    /// # Errors
    /// [`RecordError::UnknownCodec`] for ids over 4.
    pub const fn from_id(id: u8) -> Result<Codec, RecordError> {
        match id {
            0 => Ok(Codec::None),
            1 => Ok(Codec::Gzip),
            2 => Ok(Codec::Snappy),
            3 => Ok(Codec::Lz4),
            4 => Ok(Codec::Zstd),
            _ => Err(RecordError::UnknownCodec { id }),
        }
    }

    /// The id in the attributes: 0 to 4.
    #[must_use]
    pub const fn id(self) -> u8 {
        match self {
            Codec::None => 0,
            Codec::Gzip => 1,
            Codec::Snappy => 2,
            Codec::Lz4 => 3,
            Codec::Zstd => 4,
        }
    }

    /// The codec of a name, as `compression.type` spells it. `uncompressed` is Kafka's other word
    /// for `none`; `producer` is a broker's policy, not a codec.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Codec> {
        match name {
            "none" | "uncompressed" => Some(Codec::None),
            "gzip" => Some(Codec::Gzip),
            "snappy" => Some(Codec::Snappy),
            "lz4" => Some(Codec::Lz4),
            "zstd" => Some(Codec::Zstd),
            _ => None,
        }
    }

    /// The name, as clients' `compression.type` spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }

    /// The levels `compression.<codec>.level` may have, or `None` for a codec without levels.
    /// Gzip has one more outside of this range: -1, its own name for the default.
    #[must_use]
    pub const fn levels(self) -> Option<RangeInclusive<i32>> {
        match self {
            Codec::None | Codec::Snappy => None,
            Codec::Gzip => Some(1..=9),
            Codec::Lz4 => Some(1..=17),
            Codec::Zstd => Some(-131_072..=22),
        }
    }

    /// Kafka's default level, or `None` for a codec without levels.
    #[must_use]
    pub const fn default_level(self) -> Option<i32> {
        match self {
            Codec::None | Codec::Snappy => None,
            Codec::Gzip => Some(-1),
            Codec::Lz4 => Some(9),
            Codec::Zstd => Some(3),
        }
    }

    /// Whether `level` is one of the codec's levels, its default included.
    #[must_use]
    pub fn accepts_level(self, level: i32) -> bool {
        self.default_level() == Some(level)
            || self.levels().is_some_and(|levels| levels.contains(&level))
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Compresses `input` and appends the stream to `out`; `level` is the codec's default when `None`.
/// Reuses memory kept per thread where the codec's state is large.
///
/// # Errors
/// [`RecordError::InvalidLevel`], also for any level of a codec that has none, and
/// [`RecordError::Compress`]. `out` is as before then.
pub fn compress(
    codec: Codec,
    level: Option<i32>,
    input: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), RecordError> {
    if let Some(level) = level
        && !codec.accepts_level(level)
    {
        return Err(RecordError::InvalidLevel { codec, level });
    }
    let level = level.or(codec.default_level()).unwrap_or_default();
    let start = out.len();
    let compressed = match codec {
        Codec::None => {
            out.extend_from_slice(input);
            Ok(())
        }
        Codec::Gzip => gzip::compress(level, input, out),
        Codec::Snappy => snappy::compress(input, out),
        Codec::Lz4 => lz4::compress(input, out),
        Codec::Zstd => zstd::compress(level, input, out),
    };
    compressed.map_err(|source| {
        out.truncate(start);
        RecordError::Compress { codec, source }
    })
}

/// Why a codec could not produce its next piece.
pub(crate) enum PieceError {
    /// The piece is larger than the room left under the caller's limit.
    TooLarge,
    /// The stream is not one of this codec.
    Invalid(io::Error),
}

impl From<io::Error> for PieceError {
    fn from(source: io::Error) -> PieceError {
        PieceError::Invalid(source)
    }
}

impl PieceError {
    fn invalid(what: &'static str) -> PieceError {
        PieceError::Invalid(io::Error::new(io::ErrorKind::InvalidData, what))
    }
}

/// The first `size_bytes` of `buffer`, which grows when it is shorter and keeps its old contents.
fn window(buffer: &mut Vec<u8>, size_bytes: usize) -> &mut [u8] {
    if buffer.len() < size_bytes {
        buffer.resize(size_bytes, 0);
    }
    buffer.get_mut(..size_bytes).unwrap_or_default()
}

/// Splits `count` bytes off the front of `bytes`.
fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], PieceError> {
    let Some((taken, rest)) = bytes.split_at_checked(count) else {
        return Err(PieceError::invalid("the stream ends early"));
    };
    *bytes = rest;
    Ok(taken)
}

/// Splits `N` bytes off the front of `bytes`.
fn take_array<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], PieceError> {
    let Some((taken, rest)) = bytes.split_first_chunk::<N>() else {
        return Err(PieceError::invalid("the stream ends early"));
    };
    *bytes = rest;
    Ok(*taken)
}

#[cfg(test)]
mod tests;
