//! The compression codecs a batch may name in its attributes, and their levels.
//!
//! The codecs themselves are in the modules below.

use std::fmt;
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
