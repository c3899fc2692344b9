//! Zstandard frames, by libzstd with contexts that are kept.
//!
//! Reading takes several frames one behind the other. The window of a frame is memory its header
//! asks for: it is allowed as far as the caller's limit, but never refused below 8 MiB (what
//! levels up to 19 use) nor allowed above libzstd's own 128 MiB.

use std::cell::RefCell;
use std::io::{self, Cursor};

use zstd::zstd_safe::{
    CCtx, CParameter, DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, compress_bound,
    get_error_name,
};

use super::{PieceError, window};
use crate::decoder::{RETAINED_BYTES_MAX, WINDOW_BYTES};

const WINDOW_LOG_ALWAYS: u32 = 23;
const WINDOW_LOG_MAX: u32 = 27;

thread_local! {
    /// The compression context of this thread: making one costs more than compressing a batch.
    static COMPRESSION: RefCell<Option<CCtx<'static>>> = const { RefCell::new(None) };
}

pub(super) fn compress(level: i32, input: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    COMPRESSION.with_borrow_mut(|slot| {
        let mut context = match slot.take() {
            Some(context) => context,
            None => CCtx::try_create().ok_or_else(out_of_memory)?,
        };
        context
            .reset(ResetDirective::SessionOnly)
            .map_err(zstd_error)?;
        context
            .set_parameter(CParameter::CompressionLevel(level))
            .map_err(zstd_error)?;
        let start = out.len();
        out.reserve(compress_bound(input.len()));
        let mut cursor = Cursor::new(&mut *out);
        cursor.set_position(u64::try_from(start).map_err(io::Error::other)?);
        context.compress2(&mut cursor, input).map_err(zstd_error)?;
        // High levels take hundreds of MiB: such a context is not kept.
        if context.sizeof() <= RETAINED_BYTES_MAX {
            *slot = Some(context);
        }
        Ok(())
    })
}

/// A decompression context, made when first used.
#[derive(Default)]
pub(crate) struct ZstdContext(Option<DCtx<'static>>);

impl ZstdContext {
    /// Makes the context ready for a new stream of at most `limit_bytes` decompressed bytes.
    pub(crate) fn start(&mut self, limit_bytes: usize) -> Result<(), PieceError> {
        let mut context = match self.0.take() {
            Some(context) => context,
            None => DCtx::try_create().ok_or_else(out_of_memory)?,
        };
        context
            .reset(ResetDirective::SessionOnly)
            .map_err(zstd_error)?;
        let limit_log = limit_bytes.max(1).ilog2().saturating_add(1);
        let window_log = limit_log.clamp(WINDOW_LOG_ALWAYS, WINDOW_LOG_MAX);
        context
            .set_parameter(DParameter::WindowLogMax(window_log))
            .map_err(zstd_error)?;
        self.0 = Some(context);
        Ok(())
    }

    /// Gives up a context that an unusual frame made large.
    pub(crate) fn trim(&mut self) {
        self.0
            .take_if(|context| RETAINED_BYTES_MAX < context.sizeof());
    }
}

/// A zstd stream being decompressed.
pub(crate) struct ZstdStream<'a> {
    rest: &'a [u8],
    is_between_frames: bool,
}

impl<'a> ZstdStream<'a> {
    pub(crate) fn new(payload: &'a [u8]) -> ZstdStream<'a> {
        ZstdStream {
            rest: payload,
            is_between_frames: false,
        }
    }

    /// Decompresses the next piece into `buffer`: its size, 0 at the end.
    pub(crate) fn next_piece(
        &mut self,
        context: &mut ZstdContext,
        buffer: &mut Vec<u8>,
        room: usize,
    ) -> Result<usize, PieceError> {
        let Some(context) = context.0.as_mut() else {
            return Err(PieceError::invalid("the context was not started"));
        };
        // One byte more than allowed shows that there is more, without producing all of it.
        let output = window(buffer, WINDOW_BYTES.min(room.saturating_add(1)));
        loop {
            if self.is_between_frames && self.rest.is_empty() {
                return Ok(0);
            }
            let mut source = InBuffer::around(self.rest);
            let mut sink = OutBuffer::around(&mut *output);
            let hint = context
                .decompress_stream(&mut sink, &mut source)
                .map_err(zstd_error)?;
            let (read, written) = (source.pos(), sink.pos());
            self.rest = self.rest.get(read..).unwrap_or_default();
            self.is_between_frames = hint == 0;
            if room < written {
                return Err(PieceError::TooLarge);
            }
            if 0 < written {
                return Ok(written);
            }
            if read == 0 && !self.is_between_frames {
                return Err(PieceError::invalid("the stream ends early"));
            }
        }
    }
}

fn zstd_error(code: usize) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, get_error_name(code))
}

fn out_of_memory() -> io::Error {
    io::Error::new(io::ErrorKind::OutOfMemory, "no memory for a zstd context")
}
