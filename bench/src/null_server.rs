//! Servers that do the least: the limit that a broker is measured against.
//!
//! Requests and responses are frames of Kafka's shape: four bytes of length, then that many bytes.
//! Answers to requests that arrived together go out together, as the broker's do. Nothing else of
//! Kafka is here: no decoding, no partitions, no offsets.

use std::fs::File;
use std::io;
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, ensure};
use clap::ValueEnum;
use rustix::io::ReadWriteFlags;
use rustix::net::SendFlags;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpListener, TcpStream};

/// Size of an answer without its length field; about that of an answer to a produce request. The
/// answer of [`Work::Send`] begins with as many bytes.
pub(crate) const REPLY_BYTES: usize = 50;

/// Bytes asked for in one read, at least.
const READ_BYTES: usize = 64 * 1024;

/// Where an append goes that is to go to the file's end (`pwritev2` with offset -1).
const AT_FILE_POSITION: u64 = u64::MAX;

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
}

impl Work {
    /// The name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Work::Echo => "echo",
            Work::Ingest => "ingest",
            Work::IngestDurable => "ingest-durable",
            Work::Send => "send",
        }
    }
}

/// Serves for ever; prints the address first.
///
/// # Errors
/// The file cannot be opened or no port is free.
pub(crate) fn run(work: Work, path: &Path) -> anyhow::Result<()> {
    let file = match work {
        Work::Send => File::open(path),
        _ => File::options().create(true).append(true).open(path),
    };
    let file = Rc::new(file.with_context(|| path.display().to_string())?);
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
            let file = Rc::clone(&file);
            tokio::task::spawn_local(async move {
                let mut connection = Connection {
                    stream,
                    work,
                    file,
                    replies: Vec::new(),
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
    file: Rc<File>,
    /// Answers that have not been sent yet.
    replies: Vec<u8>,
}

impl Connection {
    async fn serve(&mut self) -> anyhow::Result<()> {
        let mut buf: Vec<u8> = Vec::with_capacity(2 * READ_BYTES);
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
            buf.reserve(READ_BYTES);
            if self.stream.read_buf(&mut buf).await? == 0 {
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
                append(&self.file, frame, self.work == Work::IngestDurable)?;
                reply(&mut self.replies, 0, crc)
            }
            Work::Send => {
                let mut fields = frame.chunks_exact(8);
                let mut field = || fields.next()?.try_into().ok().map(u64::from_be_bytes);
                let (position, bytes) = field().zip(field()).context("two fields")?;
                self.send(position, usize::try_from(bytes)?).await
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
            let file = &self.file;
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

fn append(file: &File, bytes: &[u8], is_durable: bool) -> io::Result<()> {
    let flags = if is_durable {
        ReadWriteFlags::DSYNC
    } else {
        ReadWriteFlags::empty()
    };
    let mut rest = bytes;
    while !rest.is_empty() {
        let slices = [io::IoSlice::new(rest)];
        let written = rustix::io::pwritev2(file, &slices, AT_FILE_POSITION, flags)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}
