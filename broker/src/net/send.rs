//! Writes responses: bytes from memory with `send`, file regions with `sendfile`.

use std::io;
use std::os::fd::AsFd;

use bytes::{Bytes, BytesMut};
use ringbrook_engine::FileRegion;
use ringbrook_engine::io::UringDisk;
use ringbrook_protocol::Part;
use rustix::net::SendFlags;
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::api::Reply;

/// Responses up to this size are gathered and go out in one `send`.
const GATHER_BYTES_MAX: usize = 64 * 1024;

/// The writing half of a connection: gathers small responses until it is flushed.
#[derive(Default)]
pub(crate) struct Sender {
    gathered: BytesMut,
}

impl Sender {
    /// Takes a response; small ones wait for [`Sender::flush`], so that the answers to a pipeline
    /// of requests share a system call.
    ///
    /// # Errors
    /// The socket failed.
    pub(crate) async fn push(&mut self, stream: &TcpStream, reply: Reply) -> io::Result<()> {
        let mut regions = reply.regions;
        for part in reply.encoded.into_parts() {
            match part {
                Part::Bytes(bytes) => self.push_bytes(stream, bytes).await?,
                Part::Region(bytes) => {
                    send_all(stream, &self.gathered.split(), SendFlags::MORE).await?;
                    send_regions(stream, &mut regions, bytes).await?;
                }
            }
        }
        Ok(())
    }

    /// Sends what was gathered.
    ///
    /// # Errors
    /// The socket failed.
    pub(crate) async fn flush(&mut self, stream: &TcpStream) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.gathered);
        send_all(stream, &bytes, SendFlags::empty()).await
    }

    async fn push_bytes(&mut self, stream: &TcpStream, bytes: Bytes) -> io::Result<()> {
        if self.gathered.len() + bytes.len() <= GATHER_BYTES_MAX {
            self.gathered.extend_from_slice(&bytes);
            return Ok(());
        }
        self.flush(stream).await?;
        send_all(stream, &bytes, SendFlags::empty()).await
    }
}

/// Sends all of `bytes`, waiting while the socket's buffer is full.
async fn send_all(stream: &TcpStream, mut bytes: &[u8], flags: SendFlags) -> io::Result<()> {
    let flags = flags | SendFlags::NOSIGNAL;
    while !bytes.is_empty() {
        let sent = stream
            .async_io(Interest::WRITABLE, || {
                Ok(rustix::net::send(stream, bytes, flags)?)
            })
            .await?;
        bytes = bytes.get(sent..).unwrap_or_default();
    }
    Ok(())
}

/// Sends the regions that make up one gap of `gap_bytes` bytes.
async fn send_regions(
    stream: &TcpStream,
    regions: &mut std::collections::VecDeque<FileRegion<UringDisk>>,
    gap_bytes: usize,
) -> io::Result<()> {
    let mut sent_bytes = 0;
    while sent_bytes < gap_bytes {
        let region = regions.pop_front().ok_or_else(|| {
            io::Error::other("a response promised more bytes than it has file regions for")
        })?;
        sent_bytes += region.len;
        send_region(stream, region).await?;
    }
    Ok(())
}

/// Sends one region with `sendfile`. The caller has brought cold regions into the page cache.
async fn send_region(stream: &TcpStream, region: FileRegion<UringDisk>) -> io::Result<()> {
    let file = region.file.as_ref();
    let mut position = region.position;
    let mut remaining = region.len;
    while remaining != 0 {
        let sent = stream
            .async_io(Interest::WRITABLE, || {
                let sent =
                    rustix::fs::sendfile(stream.as_fd(), file, Some(&mut position), remaining)?;
                Ok(sent)
            })
            .await?;
        if sent == 0 {
            // The header has promised these bytes; only closing the connection is left.
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "a segment file ends before a region that was to be sent",
            ));
        }
        remaining -= sent;
    }
    Ok(())
}
