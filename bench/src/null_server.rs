//! Servers that do the least: the limit that a broker is measured against.
//!
//! Requests and responses are frames of Kafka's shape: four bytes of length, then that many bytes.
//! Answers to requests that arrived together go out together, as the broker's do. Nothing else of
//! Kafka is here: no decoding, no partitions, no offsets.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, ensure};
use bytes::BufMut;
use clap::ValueEnum;
use rustix::fs::FallocateFlags;
use rustix::io::ReadWriteFlags;
use rustix::net::SendFlags;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpListener, TcpStream};

/// Size of an answer without its length field; about that of an answer to a produce request. The
/// answers of [`Work::Send`] and [`Work::Copy`] begin with as many bytes.
pub(crate) const REPLY_BYTES: usize = 50;

/// Bytes asked for beyond the request that is under way: all of a small next one, or little of a
/// large one, because they have to be moved.
const READ_AHEAD_BYTES: usize = 4 * 1024;
/// Blocks reserved ahead of the file's end, as the broker does: appending costs less then.
const RESERVED_BYTES: u64 = 64 * 1024 * 1024;

/// What a null server does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Work {
    /// Receive, reply.
    Echo,
    /// Receive, CRC-32C over the request, append it to the file, reply with the CRC.
    Ingest,
    /// The same, the append with `RWF_DSYNC`.
    IngestDurable,
    /// Receive a position and a length, reply with that range of the file by `sendfile`.
    Send,
    /// The same, but read the range into memory and send it from there.
    Copy,
}

impl Work {
    /// The name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Work::Echo => "echo",
            Work::Ingest => "ingest",
            Work::IngestDurable => "ingest-durable",
            Work::Send => "send",
            Work::Copy => "copy",
        }
    }
}

/// Serves for ever; prints the address first.
///
/// # Errors
/// The file cannot be opened or no port is free.
pub(crate) fn run(work: Work, path: &Path) -> anyhow::Result<()> {
    let file = match work {
        Work::Send | Work::Copy => File::open(path),
        _ => File::create_new(path),
    };
    let log = Rc::new(Log {
        file: file.with_context(|| path.display().to_string())?,
        bytes: Cell::new(0),
        reserved_bytes: Cell::new(0),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        crate::report::line(&format!("null server on {}", listener.local_addr()?));
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let log = Rc::clone(&log);
            tokio::task::spawn_local(async move {
                let mut connection = Connection {
                    stream,
                    work,
                    log,
                    replies: Vec::new(),
                    copied: Vec::new(),
                };
                if let Err(error) = connection.serve().await {
                    eprintln!("null server: {error:#}");
                }
            });
        }
    })
}

struct Connection {
    stream: TcpStream,
    work: Work,
    log: Rc<Log>,
    /// Answers that have not been sent yet.
    replies: Vec<u8>,
    /// What an answer of [`Work::Copy`] is put together in.
    copied: Vec<u8>,
}

impl Connection {
    async fn serve(&mut self) -> anyhow::Result<()> {
        let mut buf: Vec<u8> = Vec::new();
        loop {
            let mut rest = &*buf;
            while let Some((frame, behind)) = split_frame(rest) {
                self.answer(frame).await?;
                rest = behind;
            }
            let kept = rest.len();
            buf.drain(..buf.len() - kept);
            self.stream.write_all(&self.replies).await?;
            self.replies.clear();
            let wanted = missing_bytes(&buf) + READ_AHEAD_BYTES;
            buf.reserve(wanted);
            let mut room = (&mut buf).limit(wanted);
            if self.stream.read_buf(&mut room).await? == 0 {
                ensure!(buf.is_empty(), "closed within a request");
                return Ok(());
            }
        }
    }

    async fn answer(&mut self, frame: &[u8]) -> anyhow::Result<()> {
        match self.work {
            Work::Echo => reply(&mut self.replies, 0, 0),
            Work::Ingest | Work::IngestDurable => {
                let crc = crc32c::crc32c(frame);
                append(&self.log, frame, self.work == Work::IngestDurable)?;
                reply(&mut self.replies, 0, crc)
            }
            Work::Send | Work::Copy => {
                let mut fields = frame.chunks_exact(8);
                let mut field = || fields.next()?.try_into().ok().map(u64::from_be_bytes);
                let (position, bytes) = field().zip(field()).context("two fields")?;
                let bytes = usize::try_from(bytes)?;
                if self.work == Work::Send {
                    self.send(position, bytes).await
                } else {
                    self.copy(position, bytes).await
                }
            }
        }
    }

    async fn send(&mut self, mut position: u64, mut remaining: usize) -> anyhow::Result<()> {
        reply(&mut self.replies, remaining, 0)?;
        let head = std::mem::take(&mut self.replies);
        let sent = self
            .when_writable(|stream| rustix::net::send(stream, &head, SendFlags::MORE))
            .await?;
        ensure!(sent == head.len(), "a socket buffer takes a header");
        while remaining != 0 {
            let file = &self.log.file;
            let sent = self
                .when_writable(|stream| {
                    rustix::fs::sendfile(stream, file, Some(&mut position), remaining)
                })
                .await?;
            ensure!(sent != 0, "the file is shorter than a client thinks");
            remaining -= sent;
        }
        Ok(())
    }

    async fn copy(&mut self, position: u64, bytes: usize) -> anyhow::Result<()> {
        reply(&mut self.replies, bytes, 0)?;
        let head = std::mem::take(&mut self.replies);
        let answer_bytes = head.len() + bytes;
        if self.copied.len() < answer_bytes {
            self.copied.resize(answer_bytes, 0);
        }
        let answer = &mut self.copied[..answer_bytes];
        let (front, body) = answer.split_at_mut(head.len());
        front.copy_from_slice(&head);
        self.log.file.read_exact_at(body, position)?;
        Ok(self.stream.write_all(answer).await?)
    }

    async fn when_writable<T>(
        &self,
        mut operation: impl FnMut(&TcpStream) -> rustix::io::Result<T>,
    ) -> io::Result<T> {
        let stream = &self.stream;
        stream
            .async_io(Interest::WRITABLE, || Ok(operation(stream)?))
            .await
    }
}

/// Bytes that the frame under way lacks, as far as is known.
fn missing_bytes(received: &[u8]) -> usize {
    let length = received.first_chunk().copied().map(u32::from_be_bytes);
    let frame_bytes = length.map_or(4, |length| 4 + length as usize);
    frame_bytes.saturating_sub(received.len())
}

/// The first whole frame without its length field, and what follows it.
fn split_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// Adds an answer that `following_bytes` of a file will follow.
fn reply(replies: &mut Vec<u8>, following_bytes: usize, crc: u32) -> anyhow::Result<()> {
    let length = u32::try_from(REPLY_BYTES + following_bytes)?;
    replies.extend_from_slice(&length.to_be_bytes());
    replies.extend_from_slice(&crc.to_be_bytes());
    replies.extend_from_slice(&[0; REPLY_BYTES - 4]);
    Ok(())
}

/// The file that null servers append to, shared by the connections.
struct Log {
    file: File,
    bytes: Cell<u64>,
    reserved_bytes: Cell<u64>,
}

fn append(log: &Log, bytes: &[u8], is_durable: bool) -> io::Result<()> {
    let (position, reserved) = (log.bytes.get(), log.reserved_bytes.get());
    let end = position + bytes.len() as u64;
    if reserved < end {
        rustix::fs::fallocate(
            &log.file,
            FallocateFlags::KEEP_SIZE,
            reserved,
            RESERVED_BYTES,
        )?;
        log.reserved_bytes.set(reserved + RESERVED_BYTES);
    }
    log.bytes.set(end);
    let flags = if is_durable {
        ReadWriteFlags::DSYNC
    } else {
        ReadWriteFlags::empty()
    };
    let mut rest = bytes;
    while !rest.is_empty() {
        let slices = [io::IoSlice::new(rest)];
        let written = rustix::io::pwritev2(&log.file, &slices, end - rest.len() as u64, flags)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}
