//! Writes responses: bytes from memory with `send`, file regions with `sendfile`.

use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;

use bytes::{Bytes, BytesMut};
use ringbrook_engine::FileRegion;
use ringbrook_engine::io::UringDisk;
use ringbrook_protocol::Part;
use rustix::net::SendFlags;
use rustix::net::sockopt::set_tcp_cork;
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
    /// A response with records goes out corked: what precedes, lies between and follows its regions
    /// would otherwise each be a packet of their own, and wake the client each time.
    ///
    /// # Errors
    /// The socket failed.
    pub(crate) async fn push(&mut self, stream: &TcpStream, reply: Reply) -> io::Result<()> {
        if !reply.encoded.has_splices() {
            return self.push_parts(stream, reply).await;
        }
        set_tcp_cork(stream, true)?;
        self.push_parts(stream, reply).await?;
        self.flush(stream).await?;
        Ok(set_tcp_cork(stream, false)?)
    }

    async fn push_parts(&mut self, stream: &TcpStream, reply: Reply) -> io::Result<()> {
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

/// Runs `operation`, again whenever the socket's buffer was full and no longer is. A connection has
/// one writer, so the cheaper wait for one waker does.
async fn when_writable(
    stream: &TcpStream,
    mut operation: impl FnMut() -> rustix::io::Result<usize>,
) -> io::Result<usize> {
    loop {
        match stream.try_io(Interest::WRITABLE, || Ok(operation()?)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                poll_fn(|ctx| stream.poll_write_ready(ctx)).await?;
            }
            done => return done,
        }
    }
}

/// Sends all of `bytes`, waiting while the socket's buffer is full.
async fn send_all(stream: &TcpStream, mut bytes: &[u8], flags: SendFlags) -> io::Result<()> {
    let flags = flags | SendFlags::NOSIGNAL;
    while !bytes.is_empty() {
        let sent = when_writable(stream, || rustix::net::send(stream, bytes, flags)).await?;
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
        let sent = when_writable(stream, || {
            rustix::fs::sendfile(stream.as_fd(), file, Some(&mut position), remaining)
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
