//! The load: connections that keep a number of requests in flight and check every answer.
//!
//! It is meant to cost little, so that the server is what is measured: answers are received into a
//! small buffer, and what is behind the checked beginning of a long one is discarded by the kernel
//! without a copy.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use rustix::net::RecvFlags;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;

use crate::process::now;

/// Bytes at the beginning of an answer that are given to [`Requests::check`].
const CHECKED_BYTES: usize = 1024;
/// Bytes of the receive buffer; more than a length field and [`CHECKED_BYTES`].
const BUFFER_BYTES: usize = 4096;
/// Bytes discarded in one system call.
const DISCARDED_BYTES: usize = 1024 * 1024;

/// Requests of one connection, in turn, and how to check their answers, in the same order.
pub(crate) trait Requests {
    /// The next request: a frame with its length field.
    fn next(&mut self) -> Bytes;

    /// Checks an answer of `answer_bytes` bytes (without the length field) by its first bytes.
    ///
    /// # Errors
    /// The server refused or answered something else: the measurement would measure nothing.
    fn check(&mut self, head: &[u8], answer_bytes: usize) -> anyhow::Result<()>;
}

/// How much to do; whichever is reached first ends the load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    /// Time after which no further request is sent.
    pub(crate) duration: Duration,
    /// Requests on all connections together.
    pub(crate) requests: u64,
}

impl Limit {
    /// One `part`th of it.
    pub(crate) fn part(self, part: u32) -> Self {
        Self {
            duration: self.duration / part,
            requests: self.requests / u64::from(part),
        }
    }
}

/// What was done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done {
    /// Requests that were answered.
    pub(crate) requests: u64,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
}

/// Sends requests on one connection per element of `connections`, `in_flight` at once on each.
///
/// # Errors
/// A connection failed or an answer is not as it has to be.
pub(crate) fn run<R: Requests + 'static>(
    address: SocketAddr,
    connections: Vec<R>,
    in_flight: usize,
    limit: Limit,
) -> anyhow::Result<(Done, Vec<R>)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let mut streams = Vec::new();
        for requests in connections {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            streams.push((stream, requests));
        }
        let begin = now();
        let budget = Rc::new(Budget {
            deadline: begin + limit.duration,
            requests: Cell::new(limit.requests),
        });
        let tasks: Vec<_> = streams
            .into_iter()
            .map(|(stream, requests)| {
                let connection = Connection::new(stream, requests, Rc::clone(&budget));
                tokio::task::spawn_local(connection.run(in_flight))
            })
            .collect();
        let mut connections = Vec::new();
        let mut requests = 0;
        for task in tasks {
            let (done, connection) = task.await.context("a connection's task failed")??;
            requests += done;
            connections.push(connection);
        }
        let elapsed = begin.elapsed();
        Ok((Done { requests, elapsed }, connections))
    })
}

/// What the connections may still do.
struct Budget {
    deadline: Instant,
    requests: Cell<u64>,
}

impl Budget {
    /// Takes one request, if one is left.
    fn take(&self) -> bool {
        let left = self.requests.get();
        if left == 0 || self.deadline <= now() {
            return false;
        }
        self.requests.set(left - 1);
        true
    }
}

struct Connection<R> {
    stream: TcpStream,
    requests: R,
    budget: Rc<Budget>,
    /// Due and not yet sent: what was answered together is asked for again together.
    sending: Vec<Bytes>,
    /// Received and not yet looked at.
    received: Vec<u8>,
    /// Where the kernel would write what it discards. It never does, so no memory is behind it.
    discarded: Vec<u8>,
}

impl<R: Requests> Connection<R> {
    fn new(stream: TcpStream, requests: R, budget: Rc<Budget>) -> Self {
        Self {
            stream,
            requests,
            budget,
            sending: Vec::new(),
            received: Vec::with_capacity(BUFFER_BYTES),
            discarded: vec![0; DISCARDED_BYTES],
        }
    }

    async fn run(mut self, in_flight: usize) -> anyhow::Result<(u64, R)> {
        let mut done = 0;
        let mut waiting = 0;
        loop {
            while waiting < in_flight && self.budget.take() {
                self.sending.push(self.requests.next());
                waiting += 1;
            }
            self.send().await?;
            if waiting == 0 {
                ensure!(self.received.is_empty(), "an answer nobody asked for");
                return Ok((done, self.requests));
            }
            loop {
                self.read_answer().await?;
                done += 1;
                waiting -= 1;
                if waiting == 0 || self.received.is_empty() {
                    break;
                }
            }
        }
    }

    /// Sends the requests that are due, in as few system calls as the socket allows.
    async fn send(&mut self) -> io::Result<()> {
        let mut slices: Vec<_> = self
            .sending
            .iter()
            .map(|bytes| IoSlice::new(bytes))
            .collect();
        let mut rest = slices.as_mut_slice();
        while !rest.is_empty() {
            let sent = self.stream.write_vectored(rest).await?;
            IoSlice::advance_slices(&mut rest, sent);
        }
        self.sending.clear();
        Ok(())
    }

    async fn read_answer(&mut self) -> anyhow::Result<()> {
        self.receive(4).await?;
        let length = self.received.first_chunk().context("4 bytes")?;
        let answer_bytes = usize::try_from(u32::from_be_bytes(*length))?;
        let checked_bytes = answer_bytes.min(CHECKED_BYTES);
        self.receive(4 + checked_bytes).await?;
        let answer = self.received.get(4..).context("4 bytes")?;
        let head = answer.get(..checked_bytes).context("the head")?;
        self.requests.check(head, answer_bytes)?;
        let held = answer.len().min(answer_bytes);
        self.received.drain(..4 + held);
        self.discard(answer_bytes - held).await
    }

    /// Receives until there are `wanted` bytes.
    async fn receive(&mut self, wanted: usize) -> anyhow::Result<()> {
        while self.received.len() < wanted {
            let read = self.stream.read_buf(&mut self.received).await?;
            ensure!(read != 0, "the server closed the connection");
        }
        Ok(())
    }

    async fn discard(&mut self, mut remaining: usize) -> anyhow::Result<()> {
        while remaining != 0 {
            let (stream, discarded) = (&self.stream, &mut self.discarded);
            let wanted = remaining.min(DISCARDED_BYTES);
            let (_, read) = stream
                .async_io(Interest::READABLE, || {
                    let buf = discarded.get_mut(..wanted).unwrap_or_default();
                    Ok(rustix::net::recv(stream, buf, RecvFlags::TRUNC)?)
                })
                .await?;
            if read == 0 {
                bail!("the server closed the connection within an answer");
            }
            remaining -= read;
        }
        Ok(())
    }
}
