//! One client connection: frames in, answers out, in the order of the requests.
//!
//! One task per connection, on one core. Requests whose handlers allow it (Produce) are handled
//! while earlier answers are still awaited, so a pipeline of produces shares disk writes; every
//! other request waits until all answers before it have been written, as all of Kafka's do. A
//! produce that cannot be begun at once, because its transaction is verified first, keeps all
//! requests behind it waiting until it is.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

use super::frame_reader::{Frame, FrameReader, ReadError};
use super::send::Sender;
use crate::api::{Answer, ConnectionContext, Response, dispatch, is_pipelined};

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

/// What the core's idle sweep sees of a connection.
#[derive(Default)]
pub(crate) struct Activity {
    /// Sweeps since the last request; reset by every request.
    pub(crate) idle_sweeps: Cell<u32>,
    /// Requests whose answers are awaited: such a connection is not idle.
    pub(crate) in_flight: Cell<usize>,
}

/// An answer that is not yet written, and the request memory held until then.
struct InFlight {
    answer: Answer,
    _memory: Option<OwnedSemaphorePermit>,
}

/// A connection's state; see the module's documentation.
pub(crate) struct Connection {
    stream: Rc<TcpStream>,
    ctx: Rc<ConnectionContext>,
    activity: Rc<Activity>,
    reader: FrameReader,
    sender: Sender,
    in_flight: VecDeque<InFlight>,
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
        let in_flight = VecDeque::new();
        Self {
            stream,
            ctx,
            activity,
            reader,
            sender: Sender::default(),
            in_flight,
            in_turn: None,
        }
    }

    /// Serves requests until the peer closes.
    ///
    /// # Errors
    /// See [`ConnectionError`]; the caller counts and logs them.
    pub(crate) async fn serve(mut self) -> Result<(), ConnectionError> {
        loop {
            while self.may_handle() {
                let Some(frame) = self.reader.buffered().map_err(ReadError::from)? else {
                    break;
                };
                self.handle(frame).await?;
            }
            self.write_ready().await?;
            self.sender.flush(&self.stream).await?;
            // Before the wait: a connection without awaited answers has to count as idle.
            self.count_in_flight();
            match self.next_event().await? {
                Event::Frame(frame) => self.handle(frame).await?,
                Event::Begun(answer) => {
                    let memory = self.in_turn.take().and_then(|in_turn| in_turn.memory);
                    self.take_answer(answer, memory).await?;
                }
                Event::Answered(response) => {
                    self.in_flight.pop_front();
                    self.write(response).await?;
                }
                Event::PeerClosed => return Ok(()),
            }
        }
    }

    /// Whether another request may be handled now.
    fn may_handle(&self) -> bool {
        self.in_turn.is_none() && self.in_flight.len() < IN_FLIGHT_REQUESTS_MAX
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
        let may_read = self.in_flight.len() < IN_FLIGHT_REQUESTS_MAX;
        let Some(head) = self.in_flight.front_mut() else {
            return Ok(Self::read_event(self.reader.next(&self.stream).await?));
        };
        match &mut head.answer {
            // `write_ready` leaves none of these at the head.
            Answer::Ready(response) => Ok(Event::Answered(std::mem::replace(
                response,
                Response::Nothing,
            ))),
            Answer::Later(future) => tokio::select! {
                biased;
                response = future => Ok(Event::Answered(response)),
                frame = self.reader.next(&self.stream), if may_read => Ok(Self::read_event(frame?)),
            },
            Answer::InTurn(_) => unreachable!("kept apart until it is begun"),
        }
    }

    /// The next answer, or the beginning of the request whose turn it is.
    async fn next_in_turn(&mut self) -> Event {
        let answered = async {
            match self.in_flight.front_mut().map(|head| &mut head.answer) {
                Some(Answer::Later(future)) => future.await,
                // `write_ready` leaves no ready one at the head.
                Some(Answer::Ready(_) | Answer::InTurn(_)) | None => pending().await,
            }
        };
        let begun = async {
            match &mut self.in_turn {
                Some(in_turn) => (&mut in_turn.answer).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            response = answered => Event::Answered(response),
            answer = begun => Event::Begun(answer),
        }
    }

    fn read_event(frame: Option<Frame>) -> Event {
        frame.map_or(Event::PeerClosed, Event::Frame)
    }

    /// Hands a request to its handler; writes or queues the answer.
    async fn handle(&mut self, frame: Frame) -> Result<(), ConnectionError> {
        self.activity.idle_sweeps.set(0);
        let is_pipelined = is_pipelined(frame.prefix.api_key);
        if !is_pipelined {
            self.write_all().await?;
        }
        let answer = dispatch(&self.ctx, frame.prefix, frame.bytes).map_err(ReadError::from)?;
        self.take_answer(answer, frame.memory).await?;
        if is_pipelined {
            Ok(())
        } else {
            self.write_all().await
        }
    }

    /// Writes an answer or lets it wait for its turn.
    async fn take_answer(
        &mut self,
        answer: Answer,
        memory: Option<OwnedSemaphorePermit>,
    ) -> Result<(), ConnectionError> {
        match answer {
            Answer::Ready(response) if self.in_flight.is_empty() => {
                return self.write(response).await;
            }
            Answer::InTurn(answer) => self.in_turn = Some(InTurn { answer, memory }),
            answer => self.in_flight.push_back(InFlight {
                answer,
                _memory: memory,
            }),
        }
        self.count_in_flight();
        Ok(())
    }

    /// Writes the answers at the head of the queue that need no waiting.
    async fn write_ready(&mut self) -> Result<(), ConnectionError> {
        while matches!(
            self.in_flight.front(),
            Some(InFlight {
                answer: Answer::Ready(_),
                ..
            })
        ) {
            if let Some(InFlight {
                answer: Answer::Ready(response),
                ..
            }) = self.in_flight.pop_front()
            {
                self.write(response).await?;
            }
        }
        Ok(())
    }

    /// Waits for and writes every answer in the queue.
    async fn write_all(&mut self) -> Result<(), ConnectionError> {
        while let Some(mut head) = self.in_flight.pop_front() {
            let response = match &mut head.answer {
                Answer::Ready(response) => std::mem::replace(response, Response::Nothing),
                Answer::Later(future) => {
                    self.sender.flush(&self.stream).await?;
                    future.await
                }
                Answer::InTurn(_) => unreachable!("kept apart until it is begun"),
            };
            self.write(response).await?;
        }
        Ok(())
    }

    async fn write(&mut self, response: Response) -> Result<(), ConnectionError> {
        match response {
            Response::Send(reply) => Ok(self.sender.push(&self.stream, reply).await?),
            Response::Nothing => Ok(()),
            Response::Close(reason) => {
                self.sender.flush(&self.stream).await?;
                Err(ConnectionError::Closed(reason))
            }
        }
    }
}
