//! Gzip: RFC 1952 members, by flate2.
//!
//! Reading takes several members one behind the other, as Java's `GZIPInputStream` does, and
//! verifies each member's CRC. Bytes that are no member behind the last one are refused; Java
//! ignores them.

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::{PieceError, window};
use crate::decoder::WINDOW_BYTES;

pub(super) fn compress(level: i32, input: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    // -1 is the one level that is not a u32: gzip's name for its default.
    let compression =
        u32::try_from(level).map_or_else(|_| Compression::default(), Compression::new);
    let mut encoder = GzEncoder::new(out, compression);
    encoder.write_all(input)?;
    encoder.finish()?;
    Ok(())
}

/// A gzip stream being decompressed.
pub(crate) struct GzipStream<'a>(Box<MultiGzDecoder<&'a [u8]>>);

impl<'a> GzipStream<'a> {
    pub(crate) fn new(payload: &'a [u8]) -> GzipStream<'a> {
        GzipStream(Box::new(MultiGzDecoder::new(payload)))
    }

    /// Decompresses the next piece into `buffer`: its size, 0 at the end.
    pub(crate) fn next_piece(
        &mut self,
        buffer: &mut Vec<u8>,
        room: usize,
    ) -> Result<usize, PieceError> {
        // One byte more than allowed shows that there is more, without producing all of it.
        let size_bytes_max = WINDOW_BYTES.min(room.saturating_add(1));
        let size_bytes = self.0.read(window(buffer, size_bytes_max))?;
        if room < size_bytes {
            return Err(PieceError::TooLarge);
        }
        Ok(size_bytes)
    }
}
