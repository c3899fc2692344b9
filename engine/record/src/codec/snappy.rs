//! Snappy, by the `snap` crate's raw blocks, with and without xerial framing.
//!
//! Java clients and Kafka itself frame blocks as the xerial library does:
//!
//! | bytes | type | field |
//! |---:|---|---|
//! | 8 | | magic: 0x82 `SNAPPY` 0x00 |
//! | 4 | i32 | version, 1 |
//! | 4 | i32 | oldest version that can read it, 1 |
//! | then, repeated: 4 | i32 | size of the block |
//! | size | | raw snappy block |
//!
//! librdkafka sends one raw block without any of it. Reading takes both, writing frames. The
//! framing format of Google's snappy, which `snap` offers too, is neither of them.

use std::io;

use super::{PieceError, take, take_array, window};

const MAGIC: &[u8] = b"\x82SNAPPY\0";
const VERSION: i32 = 1;
/// What Kafka's writer puts in a block.
const BLOCK_BYTES: usize = 32 * 1024;
/// No snappy block expands more than this: a copy of 64 bytes takes 3, which is 21.3 times.
const EXPANSION_MAX: usize = 22;

pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&VERSION.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    let mut compressed = Vec::new();
    for block in input.chunks(BLOCK_BYTES) {
        let size_bytes_max = snap::raw::max_compress_len(block.len());
        let size_bytes = encoder.compress(block, window(&mut compressed, size_bytes_max))?;
        let length = i32::try_from(size_bytes).map_err(io::Error::other)?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(compressed.get(..size_bytes).unwrap_or_default());
    }
    Ok(())
}

/// A snappy stream being decompressed.
pub(crate) struct SnappyStream<'a> {
    rest: &'a [u8],
    form: Form,
}

enum Form {
    /// Framed: `rest` is at a block, a further header or the end.
    Xerial,
    /// `rest` is one raw block.
    Raw,
    /// The raw block was returned.
    Done,
}

impl<'a> SnappyStream<'a> {
    pub(crate) fn new(payload: &'a [u8]) -> SnappyStream<'a> {
        let form = if payload.starts_with(MAGIC) {
            Form::Xerial
        } else {
            Form::Raw
        };
        SnappyStream {
            rest: payload,
            form,
        }
    }

    /// Decompresses the next block into `buffer`: its size, 0 at the end.
    pub(crate) fn next_piece(
        &mut self,
        decoder: &mut snap::raw::Decoder,
        buffer: &mut Vec<u8>,
        room: usize,
    ) -> Result<usize, PieceError> {
        match self.form {
            Form::Done => Ok(0),
            Form::Raw => {
                self.form = Form::Done;
                decompress_block(decoder, self.rest, buffer, room)
            }
            Form::Xerial => self.next_framed(decoder, buffer, room),
        }
    }

    fn next_framed(
        &mut self,
        decoder: &mut snap::raw::Decoder,
        buffer: &mut Vec<u8>,
        room: usize,
    ) -> Result<usize, PieceError> {
        while !self.rest.is_empty() {
            // A header may come again where streams were put one behind the other.
            if let Some(after_magic) = self.rest.strip_prefix(MAGIC) {
                self.rest = after_magic;
                let version = i32::from_be_bytes(take_array(&mut self.rest)?);
                let _compatible_with: [u8; 4] = take_array(&mut self.rest)?;
                if version < VERSION {
                    return Err(PieceError::invalid("the xerial version is invalid"));
                }
                continue;
            }
            let length = i32::from_be_bytes(take_array(&mut self.rest)?);
            let length = usize::try_from(length)
                .map_err(|_| PieceError::invalid("the length of a block is negative"))?;
            let block = take(&mut self.rest, length)?;
            let size_bytes = decompress_block(decoder, block, buffer, room)?;
            if 0 < size_bytes {
                return Ok(size_bytes);
            }
        }
        Ok(0)
    }
}

/// Decompresses one raw block. Its claimed size is held against what its bytes could expand to
/// before anything is allocated for it.
fn decompress_block(
    decoder: &mut snap::raw::Decoder,
    block: &[u8],
    buffer: &mut Vec<u8>,
    room: usize,
) -> Result<usize, PieceError> {
    let size_bytes = snap::raw::decompress_len(block).map_err(io::Error::from)?;
    if block.len().saturating_mul(EXPANSION_MAX) < size_bytes {
        return Err(PieceError::invalid("a block claims more than it can hold"));
    }
    if room < size_bytes {
        return Err(PieceError::TooLarge);
    }
    let written = decoder
        .decompress(block, window(buffer, size_bytes))
        .map_err(io::Error::from)?;
    Ok(written)
}
