//! One client connection: frames in, answers out, in the order of the requests.
//!
//! One task per connection, on one core. Requests whose handlers allow it (Produce) are handled
//! while earlier answers are still awaited, so a pipeline of produces shares disk writes; every
//! other request waits until all answers before it have been written, as all of Kafka's do. A
//! produce that cannot be begun at once, because its transaction is verified first, keeps all
//! requests behind it waiting until it is.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_util::future::LocalBoxFuture;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

use super::answers::{Answers, Begun};
use super::frame_reader::{Frame, FrameReader, ReadError};
use super::send::Sender;
use crate::api::{
    Answer, ConnectionContext, NOT_ENCODABLE, Produced, Response, dispatch, is_pipelined,
};

/// Requests of one connection that may be under way at once; the next is not read before one ends.
const IN_FLIGHT_REQUESTS_MAX: usize = 64;

/// Why a connection ended before its peer closed it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    /// Nothing more can be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Nothing more can be written.
    #[error("response not sent")]
    Send(#[from] io::Error),
    /// A request was answered by closing the connection.
    #[error("{0}")]
    Closed(&'static str),
}

/// What the connections of a core have to know of one, and it of them.
#[derive(Default)]
pub(crate) struct Activity {
    /// Sweeps since the last request; reset by every request.
    pub(crate) idle_sweeps: Cell<u32>,
    /// Requests whose answers are awaited: such a connection is not idle.
    pub(crate) in_flight: Cell<usize>,
    /// The broker stops: no request is read any more, those that were are answered.
    pub(crate) is_ending: Cell<bool>,
}

/// A connection's state; see the module's documentation.
pub(crate) struct Connection {
    stream: Rc<TcpStream>,
    ctx: Rc<ConnectionContext>,
    activity: Rc<Activity>,
    reader: FrameReader,
    sender: Sender,
    in_flight: Answers,
    in_turn: Option<InTurn>,
}

/// A request that keeps those behind it waiting.
struct InTurn {
    answer: LocalBoxFuture<'static, Answer>,
    memory: Option<OwnedSemaphorePermit>,
}

/// What a connection waits for.
enum Event {
    Frame(Frame),
    Answered(Response),
    /// The request at its turn was begun: the others may follow.
    Begun(Answer),
    PeerClosed,
}

impl Connection {
    pub(crate) fn new(
        stream: Rc<TcpStream>,
        ctx: Rc<ConnectionContext>,
        activity: Rc<Activity>,
    ) -> Self {
        let reader = FrameReader::new(ctx.broker.frame_limits, ctx.broker.request_memory.clone());
        Self {
            stream,
            ctx,
            activity,
            reader,
            sender: Sender::default(),
            in_flight: Answers::default(),
            in_turn: None,
        }
    }

    /// Serves requests until the peer closes or the broker stops.
    ///
    /// # Errors
    /// See [`ConnectionError`]; the caller counts and logs them.
    pub(crate) async fn serve(mut self) -> Result<(), ConnectionError> {
        loop {
            while self.may_handle() {
                let Some(frame) = self.reader.buffered().map_err(ReadError::from)? else {
                    break;
                };
                if is_pipelined(frame.prefix.api_key) {
                    self.begin(frame)?;
                } else {
                    self.handle_alone(frame).await?;
                }
            }
            self.write_ready().await?;
            self.sender.flush(&self.stream).await?;
            // Before the wait: a connection without awaited answers has to count as idle.
            self.count_in_flight();
            self.ctx.end_turn();
            if self.activity.is_ending.get() && self.awaits_nothing() {
                return Ok(());
            }
            match self.next_event().await? {
                Event::PeerClosed if self.activity.is_ending.get() => {}
                Event::Frame(frame) if is_pipelined(frame.prefix.api_key) => self.begin(frame)?,
                Event::Frame(frame) => self.handle_alone(frame).await?,
                Event::Begun(answer) => {
                    let memory = self.in_turn.take().and_then(|in_turn| in_turn.memory);
                    self.queue(answer, memory);
                }
                Event::Answered(response) => self.write(response).await?,
                Event::PeerClosed => return Ok(()),
            }
        }
    }

    /// Whether another request may be handled now.
    fn may_handle(&self) -> bool {
        self.in_turn.is_none() && self.may_read()
    }

    fn may_read(&self) -> bool {
        self.in_flight.len() < IN_FLIGHT_REQUESTS_MAX && !self.activity.is_ending.get()
    }

    fn awaits_nothing(&self) -> bool {
        self.in_turn.is_none() && self.in_flight.is_empty()
    }

    fn count_in_flight(&self) {
        let in_flight = self.in_flight.len() + usize::from(self.in_turn.is_some());
        self.activity.in_flight.set(in_flight);
    }

    /// The next frame or the next answer, whichever comes first.
    async fn next_event(&mut self) -> Result<Event, ConnectionError> {
        if self.in_turn.is_some() {
            return Ok(self.next_in_turn().await);
        }
        if self.in_flight.is_empty() {
            let frame = self.reader.next(&self.stream).await;
            return self.read_event(frame);
        }
        let may_read = self.may_read();
        tokio::select! {
            biased;
            response = self.in_flight.take() => Ok(Event::Answered(response)),
            frame = self.reader.next(&self.stream), if may_read => self.read_event(frame),
        }
    }

    /// The next answer, or the beginning of the request whose turn it is.
    async fn next_in_turn(&mut self) -> Event {
        let begun = async {
            match &mut self.in_turn {
                Some(in_turn) => (&mut in_turn.answer).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            response = self.in_flight.take() => Event::Answered(response),
            answer = begun => Event::Begun(answer),
        }
    }

    fn read_event(
        &self,
        frame: Result<Option<Frame>, ReadError>,
    ) -> Result<Event, ConnectionError> {
        // Whatever came with the word that no more is read, it is not begun with.
        if self.activity.is_ending.get() {
            return Ok(Event::PeerClosed);
        }
        Ok(frame?.map_or(Event::PeerClosed, Event::Frame))
    }

    /// Handles a request that nothing may overtake: after the answers to all before it, and its
    /// own is written before the next.
    async fn handle_alone(&mut self, frame: Frame) -> Result<(), ConnectionError> {
        self.ctx.end_turn();
        self.write_all().await?;
        self.begin(frame)?;
        self.ctx.end_turn();
        self.write_all().await
    }

    /// Hands a request to its handler and queues the answer.
    fn begin(&mut self, frame: Frame) -> Result<(), ConnectionError> {
        self.activity.idle_sweeps.set(0);
        let answer = dispatch(&self.ctx, frame.prefix, frame.bytes).map_err(ReadError::from)?;
        self.queue(answer, frame.memory);
        Ok(())
    }

    /// Lets an answer wait for its turn.
    fn queue(&mut self, answer: Answer, memory: Option<OwnedSemaphorePermit>) {
        match answer {
            Answer::Ready(response) => self.in_flight.push(Begun::Ready(response), memory),
            Answer::Produced(produced) => self.in_flight.push(Begun::Produced(produced), memory),
            Answer::Later(response) => self.in_flight.push(Begun::Later(response), memory),
            Answer::InTurn(answer) => self.in_turn = Some(InTurn { answer, memory }),
        }
        self.count_in_flight();
    }

    /// Writes the answers that need no waiting.
    async fn write_ready(&mut self) -> Result<(), ConnectionError> {
        loop {
            match poll_fn(|ctx| Poll::Ready(self.gather_ready(ctx))).await? {
                Poll::Ready(response) => self.write(response).await?,
                Poll::Pending => return Ok(()),
            }
        }
    }

    /// Gathers answers for as long as they need no waiting, neither for what they say nor for the
    /// socket; gives the first that needs the latter.
    fn gather_ready(&mut self, ctx: &mut Context<'_>) -> Result<Poll<Response>, ConnectionError> {
        while self.sender.has_room() {
            match self.in_flight.poll_take(ctx) {
                Poll::Ready(Response::Produced(produced)) => self.gather(&produced)?,
                other => return Ok(other),
            }
        }
        Ok(self.in_flight.poll_take(ctx))
    }

    fn gather(&mut self, produced: &Produced) -> Result<(), ConnectionError> {
        self.sender
            .gather_with(|out| produced.encode(out))
            .map_err(|error| {
                tracing::error!(%error, "produce response not encodable");
                ConnectionError::Closed(NOT_ENCODABLE)
            })
    }

    /// Waits for and writes every answer in the queue.
    async fn write_all(&mut self) -> Result<(), ConnectionError> {
        self.write_ready().await?;
        while !self.in_flight.is_empty() {
            self.sender.flush(&self.stream).await?;
            let response = self.in_flight.take().await;
            self.write(response).await?;
            self.write_ready().await?;
        }
        Ok(())
    }

    async fn write(&mut self, response: Response) -> Result<(), ConnectionError> {
        match response {
            Response::Send(bytes) if self.sender.gather(&bytes) => Ok(()),
            Response::Send(bytes) => Ok(self.sender.push_bytes(&self.stream, &bytes).await?),
            Response::Produced(produced) => {
                if !self.sender.has_room() {
                    self.sender.flush(&self.stream).await?;
                }
                self.gather(&produced)
            }
            Response::SendSpliced(reply) => Ok(self.sender.push(&self.stream, *reply).await?),
            Response::Nothing => Ok(()),
            Response::Close(reason) => {
                self.sender.flush(&self.stream).await?;
                Err(ConnectionError::Closed(reason))
            }
        }
    }
}
