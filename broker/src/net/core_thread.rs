//! A core's thread: one io_uring runtime, pinned to one CPU, serving its share of the connections.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use rustix::thread::CpuSet;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::connection::{Activity, Connection, ConnectionError};
use super::connections::Connections;
use super::frame_reader::ReadError;
use crate::api::{ConnectionContext, Turn};
use crate::server::Broker;

/// Submission and completion queue entries of a core's ring.
const RING_ENTRIES: u32 = 1024;
const RING_COMPLETIONS: u32 = 4096;
/// How long answers that are under way may take once the broker stops.
const DRAIN_DEADLINE: Duration = Duration::from_secs(4);

/// A future that a core is asked to run. Built on the core, so it need not be `Send`.
pub(crate) type CoreTask = Box<dyn FnOnce() -> LocalBoxFuture<'static, ()> + Send>;

/// What a core can be sent.
enum Message {
    /// An accepted connection, and the index of the listener that accepted it.
    Socket(std::net::TcpStream, SocketAddr, usize),
    Task(CoreTask),
    /// Answer what is under way, then close the connections and say so.
    Quiesce(std::sync::mpsc::SyncSender<()>),
    /// End. Writes under way are dropped, so the logs have to be closed before.
    Stop,
}

/// Sends work to a core.
#[derive(Clone)]
pub(crate) struct CoreSender(mpsc::UnboundedSender<Message>);

impl CoreSender {
    /// Hands over an accepted connection. It is dropped, and so closed, when the core has stopped.
    pub(crate) fn serve(&self, socket: std::net::TcpStream, peer: SocketAddr, listener: usize) {
        if self
            .0
            .send(Message::Socket(socket, peer, listener))
            .is_err()
        {
            tracing::debug!(%peer, "connection refused: the broker is stopping");
        }
    }

    /// Runs `task` on the core; not at all when the core has stopped.
    pub(crate) fn run<F, Fut>(&self, task: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        if self
            .0
            .send(Message::Task(Box::new(move || task().boxed_local())))
            .is_err()
        {
            tracing::debug!("task not run: the broker is stopping");
        }
    }
}

/// A started core.
pub(crate) struct CoreThread {
    pub(crate) sender: CoreSender,
    thread: JoinHandle<io::Result<()>>,
}

/// The receiving end of a core that has not been started.
pub(crate) struct CoreReceiver(mpsc::UnboundedReceiver<Message>);

/// The two ends of a core's queue. The sender may be used before the core starts.
pub(crate) fn core_queue() -> (CoreSender, CoreReceiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (CoreSender(sender), CoreReceiver(receiver))
}

impl CoreThread {
    /// Starts the thread of core `index`; returns when its ring is set up.
    ///
    /// # Errors
    /// No thread, no ring (kernel without io_uring, or a limit on locked memory).
    pub(crate) fn start(
        index: usize,
        (sender, receiver): (CoreSender, CoreReceiver),
        broker: Arc<Broker>,
    ) -> io::Result<Self> {
        let (started, wait_started) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name(format!("core-{index}"))
            .spawn(move || {
                pin(index);
                let runtime = match runtime() {
                    Ok(runtime) => runtime,
                    Err(error) => {
                        let copy = io::Error::new(error.kind(), error.to_string());
                        // The starter waits for exactly this message.
                        started.send(Err(copy)).map_err(io::Error::other)?;
                        return Err(error);
                    }
                };
                started.send(Ok(())).map_err(io::Error::other)?;
                runtime.block_on(run(receiver, broker));
                Ok(())
            })?;
        wait_started.recv().map_err(io::Error::other)??;
        Ok(Self { sender, thread })
    }

    /// Ends the core's connections; answers under way are given a moment. Its ring goes on serving
    /// writes. Returns a receiver of the word that it is done.
    pub(crate) fn quiesce(&self) -> std::sync::mpsc::Receiver<()> {
        let (done, quiesced) = std::sync::mpsc::sync_channel(1);
        // A core that is gone drops `done`, which ends the wait as well.
        drop(self.sender.0.send(Message::Quiesce(done)));
        quiesced
    }

    /// Ends the core. The logs must have been closed: a write under way is lost.
    pub(crate) fn stop(self) {
        // A core that is gone already has nothing left to stop.
        drop(self.sender.0.send(Message::Stop));
        match self.thread.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "core thread ended with an error"),
            Err(_) => tracing::error!("core thread panicked"),
        }
    }
}

/// Sets up a ring and drops it.
///
/// # Errors
/// The kernel has no io_uring or does not permit it.
pub(crate) fn probe() -> io::Result<()> {
    runtime().map(drop)
}

/// The runtime with the ring flags that cost least per small request (ARCHITECTURE.md).
fn runtime() -> io::Result<tokio_uring::Runtime> {
    let mut ring = tokio_uring::uring_builder();
    ring.setup_single_issuer()
        .setup_coop_taskrun()
        .setup_taskrun_flag()
        .setup_cqsize(RING_COMPLETIONS);
    tokio_uring::Runtime::new(
        tokio_uring::builder()
            .entries(RING_ENTRIES)
            .uring_builder(&ring),
    )
}

/// Pins the thread to the `index`-th CPU that the process may use; unpinned is only slower.
fn pin(index: usize) {
    let allowed = match rustix::thread::sched_getaffinity(None) {
        Ok(allowed) => allowed,
        Err(error) => return tracing::warn!(%error, "CPUs of this process unknown, not pinning"),
    };
    let cpus: Vec<usize> = (0..CpuSet::MAX_CPU)
        .filter(|&cpu| allowed.is_set(cpu))
        .collect();
    let Some(&cpu) = cpus.get(index % cpus.len().max(1)) else {
        return;
    };
    let mut set = CpuSet::new();
    set.set(cpu);
    if let Err(error) = rustix::thread::sched_setaffinity(None, &set) {
        tracing::warn!(cpu, %error, "core thread not pinned");
    }
}

async fn run(mut receiver: CoreReceiver, broker: Arc<Broker>) {
    let connections = Connections::default();
    let idle_max = broker.config().network.connections_max_idle;
    let sweeper = idle_max.map(|idle_max| {
        let (connections, broker) = (connections.clone(), Arc::clone(&broker));
        tokio_uring::spawn(async move { connections.sweep_idle(&broker, idle_max).await })
    });
    let mut is_ending = false;
    while let Some(message) = receiver.0.recv().await {
        match message {
            Message::Socket(_, peer, _) if is_ending => {
                tracing::debug!(%peer, "connection refused: the broker is stopping");
            }
            Message::Socket(socket, peer, listener_index) => {
                let broker = Arc::clone(&broker);
                let ctx = Rc::new(ConnectionContext {
                    broker,
                    peer,
                    listener_index,
                    client_id: RefCell::default(),
                    turn: Turn::default(),
                });
                match TcpStream::from_std(socket) {
                    Ok(stream) => spawn_connection(stream, ctx, &connections),
                    Err(error) => tracing::warn!(%peer, %error, "connection not taken over"),
                }
            }
            Message::Task(task) => {
                tokio_uring::spawn(task());
            }
            Message::Quiesce(done) => {
                is_ending = true;
                // Beside the tasks of other cores, which wait for each other's.
                tokio_uring::spawn(end_connections(connections.clone(), done));
            }
            Message::Stop => break,
        }
    }
    if let Some(sweeper) = sweeper {
        sweeper.abort();
    }
}

/// Gives answers under way a moment, closes all connections and says so.
async fn end_connections(connections: Connections, done: std::sync::mpsc::SyncSender<()>) {
    let drained = tokio::time::timeout(DRAIN_DEADLINE, connections.drain()).await;
    if drained.is_err() {
        tracing::warn!("answers still under way when the broker stopped were not sent");
    }
    connections.close_all();
    // The one who waits for it may have given up.
    let (Ok(()) | Err(_)) = done.send(());
}

fn spawn_connection(stream: TcpStream, ctx: Rc<ConnectionContext>, connections: &Connections) {
    let stream = Rc::new(stream);
    let activity = Rc::<Activity>::default();
    connections.add(&stream, &activity);
    let connection = Connection::new(Rc::clone(&stream), Rc::clone(&ctx), activity);
    tokio_uring::spawn(async move {
        let ended = AssertUnwindSafe(connection.serve()).catch_unwind().await;
        ctx.end_turn();
        let metrics = &ctx.broker.metrics;
        let peer = ctx.peer;
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(ConnectionError::Read(ReadError::Protocol(error)))) => {
                metrics.frames_invalid.increment();
                tracing::info!(%peer, %error, "connection closed: bad request");
            }
            Ok(Err(error)) => {
                let error = anyhow::Error::from(error);
                tracing::debug!(%peer, error = format!("{error:#}"), "connection closed");
            }
            Err(_) => {
                metrics.requests_panicked.increment();
                tracing::error!(%peer, "connection closed: handling a request panicked");
            }
        }
        ctx.broker.connection_limits.release(peer.ip());
        drop(stream);
    });
}
