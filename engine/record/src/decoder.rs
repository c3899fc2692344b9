//! Decompression with a bound: piece by piece through a reused buffer, or as a whole.
//!
//! [`DecoderContext`] is the memory and the codecs' state, kept from batch to batch by whoever
//! decompresses often (one per thread). [`Decoder`] is one pass over one compressed payload.
//! Used by [`crate::Skim`] and [`crate::Batch::records`].

use std::io::{self, Read};

use crate::codec::gzip::GzipStream;
use crate::codec::lz4::Lz4Stream;
use crate::codec::snappy::SnappyStream;
use crate::codec::zstd::{ZstdContext, ZstdStream};
use crate::codec::{Codec, PieceError};
use crate::error::RecordError;

/// Size of a piece of a gzip or zstd stream. Snappy and LZ4 come in whole blocks.
pub(crate) const WINDOW_BYTES: usize = 64 * 1024;
/// Buffers and contexts larger than this are given back after use.
pub(crate) const RETAINED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Memory and codec state that decoders use one after the other. Starts empty, and keeps at most
/// a few MiB between uses.
#[derive(Default)]
pub struct DecoderContext {
    /// The current piece of the stream, at the start of the buffer.
    buffer: Vec<u8>,
    snappy: snap::raw::Decoder,
    zstd: ZstdContext,
}

impl DecoderContext {
    /// A context that has not allocated anything yet.
    #[must_use]
    pub fn new() -> DecoderContext {
        DecoderContext::default()
    }

    /// Decompresses all of `input` and appends it to `out`, which grows by at most `limit_bytes`.
    ///
    /// # Errors
    /// [`RecordError::DecompressedTooLarge`], [`RecordError::Decompress`]; what came out before
    /// stays in `out`.
    pub fn decompress(
        &mut self,
        codec: Codec,
        input: &[u8],
        limit_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), RecordError> {
        decompress_with(self, codec, input, limit_bytes, out)
    }

    /// Starts to decompress `payload`, of which at most `limit_bytes` may come out. The limit
    /// holds for [`Codec::None`] too, whose bytes are passed on without a copy.
    ///
    /// # Errors
    /// [`RecordError::DecompressedTooLarge`] for an uncompressed payload over the limit;
    /// [`RecordError::Decompress`] when there is no memory for the codec's state.
    #[inline]
    pub fn decoder<'a>(
        &'a mut self,
        codec: Codec,
        payload: &'a [u8],
        limit_bytes: usize,
    ) -> Result<Decoder<'a>, RecordError> {
        let stream = match codec {
            Codec::None if limit_bytes < payload.len() => {
                return Err(RecordError::DecompressedTooLarge { limit_bytes });
            }
            Codec::None => Stream::Plain(payload),
            Codec::Gzip => Stream::Gzip(GzipStream::new(payload)),
            Codec::Snappy => Stream::Snappy(SnappyStream::new(payload)),
            Codec::Lz4 => Stream::Lz4(Lz4Stream::new(payload)),
            Codec::Zstd => {
                let started = self.zstd.start(limit_bytes);
                started.map_err(|error| record_error(error, codec, limit_bytes))?;
                Stream::Zstd(ZstdStream::new(payload))
            }
        };
        Ok(Decoder {
            context: self,
            codec,
            stream,
            start: 0,
            end: 0,
            limit_bytes,
            room: limit_bytes,
        })
    }
}

impl std::fmt::Debug for DecoderContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DecoderContext")
            .field("buffer_bytes", &self.buffer.capacity())
            .finish_non_exhaustive()
    }
}

/// One pass over a compressed payload. Also an [`io::Read`], whose errors carry a
/// [`RecordError`]. After an error it has ended.
pub struct Decoder<'a> {
    context: &'a mut DecoderContext,
    codec: Codec,
    stream: Stream<'a>,
    /// The bytes of the buffer not yet consumed.
    start: usize,
    end: usize,
    limit_bytes: usize,
    /// Bytes that may still come out of the stream.
    room: usize,
}

enum Stream<'a> {
    Plain(&'a [u8]),
    Gzip(GzipStream<'a>),
    Snappy(SnappyStream<'a>),
    Lz4(Lz4Stream<'a>),
    Zstd(ZstdStream<'a>),
}

impl Decoder<'_> {
    /// The next decompressed bytes, empty only at the end of the stream. They stay until
    /// [`Decoder::consume`]d.
    ///
    /// # Errors
    /// [`RecordError::DecompressedTooLarge`], [`RecordError::Decompress`].
    #[inline]
    pub fn fill(&mut self) -> Result<&[u8], RecordError> {
        if let Stream::Plain(rest) = self.stream {
            return Ok(rest);
        }
        if self.start == self.end {
            self.refill()?;
        }
        Ok(self
            .context
            .buffer
            .get(self.start..self.end)
            .unwrap_or_default())
    }

    /// Drops the first `count` bytes of what [`Decoder::fill`] returns, or all when there are
    /// fewer.
    #[inline]
    pub fn consume(&mut self, count: usize) {
        match &mut self.stream {
            Stream::Plain(rest) => *rest = rest.get(count..).unwrap_or_default(),
            _ => self.start = self.start.saturating_add(count).min(self.end),
        }
    }

    fn refill(&mut self) -> Result<(), RecordError> {
        let DecoderContext {
            buffer,
            snappy,
            zstd,
        } = &mut *self.context;
        let piece = match &mut self.stream {
            Stream::Plain(_) => Ok(0),
            Stream::Gzip(stream) => stream.next_piece(buffer, self.room),
            Stream::Snappy(stream) => stream.next_piece(snappy, buffer, self.room),
            Stream::Lz4(stream) => stream.next_piece(buffer, self.room),
            Stream::Zstd(stream) => stream.next_piece(zstd, buffer, self.room),
        };
        (self.start, self.end) = (0, 0);
        let size_bytes = piece.map_err(|error| {
            self.stream = Stream::Plain(&[]);
            record_error(error, self.codec, self.limit_bytes)
        })?;
        assert!(
            size_bytes <= self.room,
            "a piece of {size_bytes} bytes, room {}",
            self.room
        );
        self.end = size_bytes;
        self.room = self.room.saturating_sub(size_bytes);
        Ok(())
    }
}

impl Read for Decoder<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let available = self.fill().map_err(io::Error::other)?;
        let count = available.len().min(out.len());
        if let (Some(from), Some(to)) = (available.get(..count), out.get_mut(..count)) {
            to.copy_from_slice(from);
        }
        self.consume(count);
        Ok(count)
    }
}

impl std::fmt::Debug for Decoder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder")
            .field("codec", &self.codec)
            .field("limit_bytes", &self.limit_bytes)
            .field("room", &self.room)
            .finish_non_exhaustive()
    }
}

impl Drop for Decoder<'_> {
    fn drop(&mut self) {
        if RETAINED_BYTES_MAX < self.context.buffer.capacity() {
            self.context.buffer = Vec::new();
        }
        self.context.zstd.trim();
    }
}

/// Decompresses all of `input` and appends it to `out`, which grows by at most `limit_bytes`.
/// Whoever does this often keeps a [`DecoderContext`].
///
/// # Errors
/// [`RecordError::DecompressedTooLarge`], [`RecordError::Decompress`]; what came out before stays
/// in `out`.
pub fn decompress(
    codec: Codec,
    input: &[u8],
    limit_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), RecordError> {
    decompress_with(&mut DecoderContext::new(), codec, input, limit_bytes, out)
}

/// [`decompress`] with a context that is kept.
pub(crate) fn decompress_with(
    context: &mut DecoderContext,
    codec: Codec,
    input: &[u8],
    limit_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), RecordError> {
    let capacity_max = out.len().saturating_add(limit_bytes);
    let mut decoder = context.decoder(codec, input, limit_bytes)?;
    loop {
        let piece = decoder.fill()?;
        if piece.is_empty() {
            return Ok(());
        }
        let needed = out.len().saturating_add(piece.len());
        if out.capacity() < needed {
            // Doubling as a Vec does by itself, but never beyond the limit.
            let capacity = out
                .capacity()
                .saturating_mul(2)
                .min(capacity_max)
                .max(needed);
            out.reserve_exact(capacity.saturating_sub(out.len()));
        }
        out.extend_from_slice(piece);
        let consumed = piece.len();
        decoder.consume(consumed);
    }
}

fn record_error(error: PieceError, codec: Codec, limit_bytes: usize) -> RecordError {
    match error {
        PieceError::TooLarge => RecordError::DecompressedTooLarge { limit_bytes },
        PieceError::Invalid(source) => RecordError::Decompress { codec, source },
    }
}

#[cfg(test)]
mod tests;
