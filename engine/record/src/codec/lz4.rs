//! LZ4 frames as Kafka restricts them. Blocks are lz4_flex's; so is the whole frame when writing.
//!
//! | bytes | type | field |
//! |---:|---|---|
//! | 4 | u32 | magic 0x184D2204 |
//! | 1 | | flags, see below |
//! | 1 | | bits 6-4 block size code 4..7 (64 KiB, 256 KiB, 1 MiB, 4 MiB), others zero |
//! | 8 | u64 | content size, when flagged |
//! | 1 | | second byte of the XXH32 of the bytes from the flags on |
//! | then, repeated: 4 | u32 | size of the block; top bit: stored as it is; 0 ends the frame |
//! | size | | block |
//! | 4 | u32 | XXH32 of the block as stored, when flagged |
//! | at the end: 4 | u32 | content checksum, when flagged |
//!
//! All integers are little-endian. Flags: bits 7 and 6 are the version, 01; bit 5 independent
//! blocks; 4 block checksums; 3 content size; 2 content checksum; 1 and 0 zero.
//!
//! Reading walks the frame here instead of in lz4_flex's
//! `FrameDecoder` for four reasons. That one reserves two buffers of up to 4 MiB for every frame on
//! the word of its 7-byte header; copies each block once more; takes linked blocks, legacy and
//! skippable frames and a missing end mark, which Kafka refuses; and refuses a wrong content size
//! or content checksum, which Kafka ignores.
//!
//! Source: Kafka `Lz4BlockInputStream`, `Lz4BlockOutputStream`.

use std::io::{self, Write};

use lz4_flex::block::{DecompressError, decompress_into};
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use twox_hash::XxHash32;

use super::{PieceError, take, take_array, window};

const MAGIC: u32 = 0x184D_2204;
const VERSION_AND_INDEPENDENT_MASK: u8 = 0b1110_0000;
const VERSION_ONE_INDEPENDENT: u8 = 0b0110_0000;
const BLOCK_CHECKSUM_BIT: u8 = 0b0001_0000;
const CONTENT_SIZE_BIT: u8 = 0b0000_1000;
const CONTENT_CHECKSUM_BIT: u8 = 0b0000_0100;
const RESERVED_MASK: u8 = 0b0000_0011;
const UNCOMPRESSED_BIT: u32 = 0x8000_0000;
/// No block expands more than this: each further byte of a match length stands for 255 bytes.
const EXPANSION_MAX: usize = 255;

/// Kafka's levels select liblz4's high-compression variants, which lz4_flex does not have: every
/// level is the ordinary compressor.
pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let frame = FrameInfo::new()
        .block_size(BlockSize::Max64KB)
        .block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(frame, out);
    encoder.write_all(input)?;
    encoder.finish()?;
    Ok(())
}

/// An LZ4 frame being decompressed.
pub(crate) struct Lz4Stream<'a> {
    rest: &'a [u8],
    state: State,
}

enum State {
    /// `rest` is at the frame's header.
    Start,
    /// `rest` is at a block.
    Blocks(Frame),
    /// The end mark was read. Kafka ignores what follows it.
    Done,
}

#[derive(Clone, Copy)]
struct Frame {
    block_bytes_max: usize,
    has_block_checksums: bool,
    has_content_checksum: bool,
}

impl<'a> Lz4Stream<'a> {
    pub(crate) fn new(payload: &'a [u8]) -> Lz4Stream<'a> {
        Lz4Stream {
            rest: payload,
            state: State::Start,
        }
    }

    /// Decompresses the next block into `buffer`: its size, 0 at the end.
    pub(crate) fn next_piece(
        &mut self,
        buffer: &mut Vec<u8>,
        room: usize,
    ) -> Result<usize, PieceError> {
        let frame = match self.state {
            State::Start => read_frame_header(&mut self.rest)?,
            State::Blocks(frame) => frame,
            State::Done => return Ok(0),
        };
        self.state = State::Blocks(frame);
        loop {
            let size_field = u32::from_le_bytes(take_array(&mut self.rest)?);
            let length = usize::try_from(size_field & !UNCOMPRESSED_BIT).unwrap_or(usize::MAX);
            if length == 0 {
                if frame.has_content_checksum {
                    take(&mut self.rest, 4)?;
                }
                self.state = State::Done;
                return Ok(0);
            }
            if frame.block_bytes_max < length {
                return Err(PieceError::invalid(
                    "a block is larger than the frame's maximum",
                ));
            }
            let block = take(&mut self.rest, length)?;
            if frame.has_block_checksums {
                let stored = u32::from_le_bytes(take_array(&mut self.rest)?);
                if stored != XxHash32::oneshot(0, block) {
                    return Err(PieceError::invalid("the checksum of a block is wrong"));
                }
            }
            let is_compressed = size_field & UNCOMPRESSED_BIT == 0;
            let size_bytes = if is_compressed {
                decompress_block(block, frame.block_bytes_max, buffer, room)?
            } else {
                copy_block(block, buffer, room)?
            };
            if 0 < size_bytes {
                return Ok(size_bytes);
            }
        }
    }
}

fn read_frame_header(bytes: &mut &[u8]) -> Result<Frame, PieceError> {
    if u32::from_le_bytes(take_array(bytes)?) != MAGIC {
        return Err(PieceError::invalid(
            "the magic number is not that of an lz4 frame",
        ));
    }
    let descriptor_start = *bytes;
    let [flags, block_size] = take_array(bytes)?;
    if flags & VERSION_AND_INDEPENDENT_MASK != VERSION_ONE_INDEPENDENT {
        return Err(PieceError::invalid(
            "the frame is not of version 1 with independent blocks",
        ));
    }
    if flags & RESERVED_MASK != 0 {
        return Err(PieceError::invalid("reserved bits of the frame are set"));
    }
    let block_bytes_max = match block_size {
        0x40 => 64 * 1024,
        0x50 => 256 * 1024,
        0x60 => 1024 * 1024,
        0x70 => 4 * 1024 * 1024,
        _ => {
            return Err(PieceError::invalid(
                "the block size of the frame is invalid",
            ));
        }
    };
    let mut descriptor_bytes = 2;
    if flags & CONTENT_SIZE_BIT != 0 {
        take(bytes, 8)?;
        descriptor_bytes = 10;
    }
    let descriptor = descriptor_start.get(..descriptor_bytes).unwrap_or_default();
    let [_, checksum, ..] = XxHash32::oneshot(0, descriptor).to_le_bytes();
    if take_array(bytes)? != [checksum] {
        return Err(PieceError::invalid(
            "the checksum of the frame header is wrong",
        ));
    }
    Ok(Frame {
        block_bytes_max,
        has_block_checksums: flags & BLOCK_CHECKSUM_BIT != 0,
        has_content_checksum: flags & CONTENT_CHECKSUM_BIT != 0,
    })
}

fn copy_block(block: &[u8], buffer: &mut Vec<u8>, room: usize) -> Result<usize, PieceError> {
    if room < block.len() {
        return Err(PieceError::TooLarge);
    }
    window(buffer, block.len()).copy_from_slice(block);
    Ok(block.len())
}

fn decompress_block(
    block: &[u8],
    block_bytes_max: usize,
    buffer: &mut Vec<u8>,
    room: usize,
) -> Result<usize, PieceError> {
    let size_bytes_max = block_bytes_max.min(block.len().saturating_mul(EXPANSION_MAX));
    let output = window(buffer, size_bytes_max.min(room));
    match decompress_into(block, output) {
        Ok(size_bytes) => Ok(size_bytes),
        Err(DecompressError::OutputTooSmall { .. }) if room < size_bytes_max => {
            Err(PieceError::TooLarge)
        }
        Err(error) => Err(PieceError::Invalid(io::Error::new(
            io::ErrorKind::InvalidData,
            error.to_string(),
        ))),
    }
}
