//! Cuts the byte stream of a connection into frames without copying their payload.
//!
//! One buffer per connection; a complete frame is split off it as `Bytes`, so the records of a
//! produce request stay where `recv` put them. An idle connection holds no buffer at all.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use ringbrook_protocol::{FrameLimits, HeaderPrefix, ProtocolError, parse_length};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

use super::request_memory::{Exhausted, RequestMemory};

/// Bytes asked for when nothing is known about the next frame.
const READ_BYTES_MIN: usize = 4 * 1024;
/// A frame gets at most this much memory before the request memory is asked for all of it, unless
/// the connection has sent frames as large before.
const UNPROVEN_BYTES_MAX: usize = 64 * 1024;
/// Frames above this size are always received in two steps: what came before there was memory for
/// the whole is copied.
const PROVEN_BYTES_MAX: usize = 2 * 1024 * 1024;
/// How long a connection may keep request memory for a frame without sending more of it.
const STALL_MAX: Duration = Duration::from_secs(10);
const LENGTH_BYTES: usize = 4;
const PREFIX_BYTES: usize = 8;

/// Why no further frame can be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The socket failed; often the peer reset it.
    #[error("connection failed")]
    Io(#[from] io::Error),
    /// The bytes are no frame that a request can have.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The peer holds memory that others wait for.
    #[error("nothing came for {} s in the middle of a frame", STALL_MAX.as_secs())]
    Stalled,
    /// The peer closed in the middle of a frame.
    #[error("connection closed after {received} bytes of a frame of {expected}")]
    Truncated {
        /// Bytes of the frame that arrived.
        received: usize,
        /// Bytes the frame was to have.
        expected: usize,
    },
}

/// A complete request: its first 8 bytes parsed, and all of it behind the length field.
#[derive(Debug)]
pub(crate) struct Frame {
    /// API key, version, correlation id.
    pub(crate) prefix: HeaderPrefix,
    /// The frame without the length field; begins with the request header.
    pub(crate) bytes: Bytes,
    /// The frame's share of the request memory; held until the request is answered.
    pub(crate) memory: Option<OwnedSemaphorePermit>,
}

/// The reading half of a connection.
pub(crate) struct FrameReader {
    buf: BytesMut,
    limits: FrameLimits,
    request_memory: RequestMemory,
    /// The share of the frame that is under way.
    memory: Option<OwnedSemaphorePermit>,
    /// Length field and body of the frame that is under way; 0 before its length is known.
    frame_bytes: usize,
    prefix: Option<HeaderPrefix>,
    /// Size of the previous frame: clients send alike frames, so that much is asked for next time.
    previous_frame_bytes: usize,
    /// The largest frame that arrived whole: how much memory the peer has shown to need.
    proven_bytes: usize,
}

impl FrameReader {
    pub(crate) fn new(limits: FrameLimits, request_memory: RequestMemory) -> Self {
        Self {
            buf: BytesMut::new(),
            limits,
            request_memory,
            memory: None,
            frame_bytes: 0,
            prefix: None,
            previous_frame_bytes: 0,
            proven_bytes: UNPROVEN_BYTES_MAX,
        }
    }

    /// A frame that has already been received, if there is one.
    ///
    /// # Errors
    /// Bytes that are no frame: the stream cannot be followed any further.
    pub(crate) fn buffered(&mut self) -> Result<Option<Frame>, ProtocolError> {
        if self.frame_bytes == 0 {
            let Some((length, _)) = self.buf.split_first_chunk::<LENGTH_BYTES>() else {
                return Ok(None);
            };
            self.frame_bytes = LENGTH_BYTES + parse_length(*length, &self.limits)?;
        }
        if self.prefix.is_none() {
            let Some(bytes) = self.buf.get(LENGTH_BYTES..LENGTH_BYTES + PREFIX_BYTES) else {
                return Ok(None);
            };
            let prefix = HeaderPrefix::parse(bytes)?;
            self.limits.check(prefix, self.frame_bytes - LENGTH_BYTES)?;
            self.prefix = Some(prefix);
        }
        if self.is_memory_due() {
            match self.request_memory.try_acquire(self.frame_bytes) {
                Ok(memory) => self.memory = memory,
                Err(Exhausted) => return Ok(None),
            }
        }
        if self.buf.len() < self.frame_bytes {
            return Ok(None);
        }
        let Some(prefix) = self.prefix.take() else {
            return Ok(None);
        };
        let mut bytes = self.buf.split_to(self.frame_bytes).freeze();
        bytes.advance(LENGTH_BYTES);
        self.previous_frame_bytes = self.frame_bytes;
        self.proven_bytes = self
            .proven_bytes
            .max(self.frame_bytes)
            .min(PROVEN_BYTES_MAX);
        self.frame_bytes = 0;
        let memory = self.memory.take();
        Ok(Some(Frame {
            prefix,
            bytes,
            memory,
        }))
    }

    /// Waits for the next frame; `None` when the peer closed between two frames.
    ///
    /// Cancellation safe: what arrived stays in the buffer.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub(crate) async fn next(&mut self, stream: &TcpStream) -> Result<Option<Frame>, ReadError> {
        loop {
            if let Some(frame) = self.buffered()? {
                return Ok(Some(frame));
            }
            if self.is_memory_due() {
                self.memory = self.request_memory.acquire(self.frame_bytes).await;
                continue;
            }
            if self.buf.is_empty() {
                self.buf = BytesMut::new();
            }
            if self.memory.is_some() {
                let readable = tokio::time::timeout(STALL_MAX, readable(stream)).await;
                readable.map_err(|_| ReadError::Stalled)??;
            } else {
                readable(stream).await?;
            }
            self.reserve();
            let room = self.buf.capacity() - self.buf.len();
            match stream.try_read_buf(&mut self.buf) {
                Ok(0) if self.buf.is_empty() => return Ok(None),
                Ok(0) => {
                    return Err(ReadError::Truncated {
                        received: self.buf.len(),
                        expected: self.frame_bytes,
                    });
                }
                Ok(read) if read < room => forget_readiness(stream),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether the frame needs its share of the request memory before more of it is read.
    fn is_memory_due(&self) -> bool {
        let due_bytes = self.frame_bytes.min(UNPROVEN_BYTES_MAX);
        self.prefix.is_some()
            && self.memory.is_none()
            && RequestMemory::is_counted(self.frame_bytes)
            && due_bytes <= self.buf.len()
    }

    /// Makes room for what is missing of the current frame, or for one like the last.
    ///
    /// Announcing 100 MiB and sending nothing costs the broker nothing: all of a large frame's
    /// memory is had only when its first part has arrived and the request memory has room for it.
    fn reserve(&mut self) {
        let wanted = if self.frame_bytes == 0 {
            self.previous_frame_bytes
        } else {
            self.frame_bytes
        };
        let allowed = if self.memory.is_some() {
            self.frame_bytes
        } else {
            self.proven_bytes
        };
        let target = wanted.min(allowed).max(READ_BYTES_MIN);
        if self.buf.capacity() < target || self.buf.capacity() == self.buf.len() {
            self.buf
                .reserve(target.saturating_sub(self.buf.len()).max(READ_BYTES_MIN));
        }
    }
}

/// Waits until there is something to read. A connection has one reader, so the cheaper wait for
/// one waker does.
async fn readable(stream: &TcpStream) -> io::Result<()> {
    std::future::poll_fn(|ctx| stream.poll_read_ready(ctx)).await
}

/// After a read that did not fill the buffer the socket is empty: the next wait has to be for the
/// next bytes, or it would end at once and cost a read of nothing per request.
fn forget_readiness(stream: &TcpStream) {
    let nothing: io::Result<()> = stream.try_io(Interest::READABLE, || {
        Err(io::Error::from(io::ErrorKind::WouldBlock))
    });
    debug_assert!(nothing.is_err(), "nothing was read");
}

#[cfg(test)]
mod tests;
