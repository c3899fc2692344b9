//! Writes responses: bytes from memory with `send`, file regions with `sendfile`, small ones read
//! into the response's bytes.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;

use ringbrook_engine::FileRegion;
use ringbrook_engine::io::{Disk, UringDisk};
use ringbrook_protocol::Part;
use rustix::net::SendFlags;
use rustix::net::sockopt::{set_tcp_cork, set_tcp_nodelay};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::api::Reply;

/// Responses up to this size are gathered and go out in one `send`.
const GATHER_BYTES_MAX: usize = 64 * 1024;

/// Regions up to this size are read into the response's bytes instead of being sent on their own:
/// one system call and one packet less cost more than copying so few bytes.
const INLINE_BYTES_MAX: usize = 16 * 1024;

/// What a connection keeps of the memory for gathered responses: idle ones are many.
const KEPT_BYTES_MAX: usize = 512;

/// The writing half of a connection: gathers small responses until it is flushed.
#[derive(Default)]
pub(crate) struct Sender {
    gathered: Vec<u8>,
    /// The kernel holds back what does not fill a packet until it is told to send it.
    is_corked: bool,
}

impl Sender {
    /// Takes bytes if they are few enough to wait for [`Sender::flush`], so that the answers to a
    /// pipeline of requests share a system call. Else they are to be pushed.
    pub(crate) fn gather(&mut self, bytes: &[u8]) -> bool {
        let has_room = self.gathered.len() + bytes.len() <= GATHER_BYTES_MAX;
        if has_room {
            self.gathered.extend_from_slice(bytes);
        }
        has_room
    }

    /// Whether another response may be gathered before the next [`Sender::flush`].
    pub(crate) fn has_room(&self) -> bool {
        self.gathered.len() < GATHER_BYTES_MAX
    }

    /// Takes a response that `encode` appends, however large it is: ask for room before.
    ///
    /// # Errors
    /// That of `encode`.
    pub(crate) fn gather_with<E>(
        &mut self,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        encode(&mut self.gathered)
    }

    /// Takes bytes, and sends what there would be too much of to gather.
    ///
    /// # Errors
    /// The socket failed.
    pub(crate) async fn push_bytes(&mut self, stream: &TcpStream, bytes: &[u8]) -> io::Result<()> {
        if self.gather(bytes) {
            return Ok(());
        }
        self.flush(stream).await?;
        send_all(stream, bytes).await
    }

    /// Takes a response with splices.
    ///
    /// One with records of files goes out corked: what precedes, lies between and follows
    /// its regions would otherwise each be a packet of their own, and wake the client each time.
    /// The socket stays corked for the next one: consumers ask for nothing else.
    ///
    /// # Errors
    /// The socket failed.
    pub(crate) async fn push(&mut self, stream: &TcpStream, reply: Reply) -> io::Result<()> {
        let mut regions = reply.regions;
        let mut is_held_back = false;
        for part in reply.encoded.into_parts() {
            match part {
                Part::Bytes(bytes) => self.push_bytes(stream, &bytes).await?,
                Part::Region(bytes) => {
                    let gap = regions_of(&mut regions, bytes)?;
                    if self.push_inline(&gap, bytes) {
                        continue;
                    }
                    self.set_corked(stream, true)?;
                    is_held_back = true;
                    self.send_gathered(stream).await?;
                    for region in gap {
                        send_region(stream, region).await?;
                    }
                }
            }
        }
        if is_held_back {
            self.set_corked(stream, true)?;
            self.send_gathered(stream).await?;
            // Setting this, even again, sends what is held back and leaves the cork in place.
            set_tcp_nodelay(stream, true)?;
        }
        Ok(())
    }

    fn set_corked(&mut self, stream: &TcpStream, is_corked: bool) -> io::Result<()> {
        if self.is_corked != is_corked {
            set_tcp_cork(stream, is_corked)?;
            self.is_corked = is_corked;
        }
        Ok(())
    }

    /// Takes the regions of one gap as bytes, if they are few and cached; else takes nothing.
    fn push_inline(&mut self, gap: &[FileRegion<UringDisk>], gap_bytes: usize) -> bool {
        let begin = self.gathered.len();
        if INLINE_BYTES_MAX < gap_bytes || GATHER_BYTES_MAX < begin + gap_bytes {
            return false;
        }
        self.gathered.resize(begin + gap_bytes, 0);
        let mut room = self.gathered.get_mut(begin..).unwrap_or_default();
        for region in gap {
            let (target, rest) = room.split_at_mut(region.len.min(room.len()));
            // Anything but all of it is left to `sendfile`, which waits or tells the error.
            let read = UringDisk.read_cached(&region.file, target, region.position);
            if read.ok() != Some(region.len) {
                self.gathered.truncate(begin);
                return false;
            }
            room = rest;
        }
        true
    }

    /// Sends what was gathered.
    ///
    /// # Errors
    /// The socket failed.
    pub(crate) async fn flush(&mut self, stream: &TcpStream) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        self.set_corked(stream, false)?;
        self.send_gathered(stream).await
    }

    async fn send_gathered(&mut self, stream: &TcpStream) -> io::Result<()> {
        send_all(stream, &self.gathered).await?;
        self.gathered.clear();
        self.gathered.shrink_to(KEPT_BYTES_MAX);
        Ok(())
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
async fn send_all(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let sent = when_writable(stream, || {
            rustix::net::send(stream, bytes, SendFlags::NOSIGNAL)
        })
        .await?;
        bytes = bytes.get(sent..).unwrap_or_default();
    }
    Ok(())
}

/// Takes the regions that make up one gap of `gap_bytes` bytes.
fn regions_of(
    regions: &mut VecDeque<FileRegion<UringDisk>>,
    gap_bytes: usize,
) -> io::Result<Vec<FileRegion<UringDisk>>> {
    let mut gap = Vec::with_capacity(1);
    let mut bytes = 0;
    while bytes < gap_bytes {
        let region = regions.pop_front().ok_or_else(|| {
            io::Error::other("a response promised more bytes than it has file regions for")
        })?;
        bytes += region.len;
        gap.push(region);
    }
    Ok(gap)
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
