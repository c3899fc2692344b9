//! One connection: requests go out in the order they are sent in, and answers are told apart by
//! correlation id. One task per connection moves the bytes; it ends with the last handle, or when
//! the broker hangs up.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ringbrook_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};
use ringbrook_protocol::{Request, ResponseError, StrBytes, correlation_id, decode_response};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep};
use tracing::debug;

use super::frame::{self, LENGTH_BYTES};
use super::{ApiVersions, Connector, HostPort, IoStream};
use crate::error::{BrokerError, ClientError};

/// The longest response that is believed. A fetch may exceed `fetch.max.bytes` by one batch.
const RESPONSE_BYTES_MAX: usize = 512 * 1024 * 1024;
/// What is set aside for a response at once; a longer one grows as its bytes come.
const RESERVE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What is read at once when no long response is under way.
const READ_BYTES: usize = 64 * 1024;
/// The newest ApiVersions request this client asks with.
const API_VERSIONS_VERSION: i16 = 4;

type Stream = Pin<Box<dyn IoStream>>;

/// What a connection takes from the configuration.
#[derive(Debug, Clone)]
pub struct ConnectionSettings {
    /// `client.id`.
    pub client_id: String,
    /// `request.timeout.ms`: an answer that takes longer ends the connection.
    pub request_timeout: Duration,
    /// `socket.connection.setup.timeout.ms`.
    pub setup_timeout: Duration,
}

/// A connection to a broker. Cheap to clone; all clones are the same connection.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
    outgoing: mpsc::UnboundedSender<Bytes>,
    versions: Arc<ApiVersions>,
}

struct Shared {
    address: HostPort,
    client_id: StrBytes,
    request_timeout: Duration,
    state: Mutex<State>,
    closing: tokio::sync::Notify,
}

#[derive(Default)]
struct State {
    next_correlation_id: i32,
    in_flight: VecDeque<Awaited>,
    ended: Option<String>,
}

struct Awaited {
    correlation_id: i32,
    answer: oneshot::Sender<Result<Bytes, ClientError>>,
}

impl Connection {
    /// Connects and asks for the broker's versions. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Nobody answers in time, or not with Kafka's protocol.
    pub async fn open(
        connector: &dyn Connector,
        address: HostPort,
        settings: &ConnectionSettings,
    ) -> Result<Self, ClientError> {
        let failed = |source: io::Error| ClientError::Connect {
            address: address.to_string(),
            source: Arc::new(source),
        };
        let connecting = connector.connect(&address);
        let stream = tokio::time::timeout(settings.setup_timeout, connecting)
            .await
            .map_err(|_| failed(io::ErrorKind::TimedOut.into()))?
            .map_err(failed)?;
        let shared = Arc::new(Shared {
            address,
            client_id: StrBytes::from_string(settings.client_id.clone()),
            request_timeout: settings.request_timeout,
            state: Mutex::default(),
            closing: tokio::sync::Notify::new(),
        });
        let (outgoing, requests) = mpsc::unbounded_channel();
        tokio::spawn(drive(Arc::clone(&shared), stream, requests));
        let mut connection = Self {
            shared,
            outgoing,
            versions: Arc::default(),
        };
        let versions = connection.ask_versions().await?;
        connection.versions = Arc::new(ApiVersions::new(versions));
        Ok(connection)
    }

    /// A broker that does not know the version answers in version 0 with error 35.
    async fn ask_versions(&self) -> Result<ApiVersionsResponse, ClientError> {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("ringbrook-client"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let pending = self.send(API_VERSIONS_VERSION, &request)?;
        let frame = pending.frame().await?;
        let unsupported = ResponseError::UnsupportedVersion.code();
        let error_code = frame
            .get(LENGTH_BYTES..LENGTH_BYTES + 2)
            .and_then(|code| code.try_into().ok())
            .map(i16::from_be_bytes);
        let response = if error_code == Some(unsupported) {
            self.send(0, &ApiVersionsRequest::default())?.await?
        } else {
            self.decode::<ApiVersionsRequest>(frame, API_VERSIONS_VERSION)?
        };
        BrokerError::check(response.error_code, "asking for the versions it serves")?;
        Ok(response)
    }

    /// Where it leads.
    #[must_use]
    pub fn address(&self) -> &HostPort {
        &self.shared.address
    }

    /// Which versions the broker serves.
    #[must_use]
    pub fn versions(&self) -> &ApiVersions {
        &self.versions
    }

    /// The highest version of `R` that both sides know.
    ///
    /// # Errors
    /// There is none.
    pub fn version_of<R: Request>(&self) -> Result<i16, ClientError> {
        self.version_up_to::<R>(i16::MAX)
    }

    /// The highest version of `R` that both sides know and that is not above `at_most`.
    ///
    /// # Errors
    /// There is none.
    pub fn version_up_to<R: Request>(&self, at_most: i16) -> Result<i16, ClientError> {
        let highest = self.versions.highest::<R>(at_most);
        highest.ok_or_else(|| ClientError::UnsupportedVersion {
            address: self.shared.address.to_string(),
            api: api_of::<R>(),
            served: self.versions.range(R::KEY),
        })
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.lock().ended.is_some()
    }

    /// How many requests wait for their answers.
    #[must_use]
    pub fn in_flight_count(&self) -> usize {
        self.shared.lock().in_flight.len()
    }

    /// Ends it: what is in flight fails.
    pub fn close(&self, reason: &str) {
        self.shared.end(reason);
    }

    /// Sends a request now; the answer is awaited later. Requests reach the broker in the order of
    /// these calls. Dropping the answer does no harm to other requests.
    ///
    /// # Errors
    /// The connection has ended, or the version cannot express the request.
    pub fn send<R: Request>(
        &self,
        version: i16,
        request: &R,
    ) -> Result<PendingResponse<R>, ClientError> {
        self.send_within(version, request, self.shared.request_timeout)
    }

    /// As [`Connection::send`], with another time limit than `request.timeout.ms`: for requests
    /// that the broker answers late on purpose.
    ///
    /// # Errors
    /// See [`Connection::send`].
    pub fn send_within<R: Request>(
        &self,
        version: i16,
        request: &R,
        timeout: Duration,
    ) -> Result<PendingResponse<R>, ClientError> {
        let (answer, awaiting) = oneshot::channel();
        self.enqueue(version, request, Some(answer))?;
        Ok(PendingResponse {
            connection: self.clone(),
            version,
            timeout,
            awaiting,
            deadline: Box::pin(tokio::time::sleep(timeout)),
            request: PhantomData,
        })
    }

    /// Sends a request that the broker does not answer: Produce with acks=0.
    ///
    /// # Errors
    /// See [`Connection::send`].
    pub fn send_one_way<R: Request>(&self, version: i16, request: &R) -> Result<(), ClientError> {
        self.enqueue(version, request, None)
    }

    /// Sends a request and awaits its answer.
    ///
    /// # Errors
    /// See [`Connection::send`]; no answer comes in time, or one that cannot be read.
    pub async fn call<R: Request>(
        &self,
        version: i16,
        request: &R,
    ) -> Result<R::Response, ClientError> {
        self.send(version, request)?.await
    }

    fn enqueue<R: Request>(
        &self,
        version: i16,
        request: &R,
        answer: Option<oneshot::Sender<Result<Bytes, ClientError>>>,
    ) -> Result<(), ClientError> {
        let mut state = self.shared.lock();
        if let Some(reason) = &state.ended {
            return Err(self.shared.disconnected(reason));
        }
        let correlation_id = state.next_correlation_id;
        let frame = frame::encode(request, version, correlation_id, &self.shared.client_id)
            .map_err(|error| {
                let api = api_of::<R>();
                ClientError::Unsupported(format!("{api:?} v{version} cannot be sent: {error}"))
            })?;
        state.next_correlation_id = correlation_id.wrapping_add(1) & i32::MAX;
        if let Some(answer) = answer {
            state.in_flight.push_back(Awaited {
                correlation_id,
                answer,
            });
        }
        // Under the lock: the order of frames is that of the queue of answers.
        self.outgoing
            .send(frame)
            .map_err(|_| self.shared.disconnected("its task has ended"))
    }

    fn decode<R: Request>(&self, frame: Bytes, version: i16) -> Result<R::Response, ClientError> {
        decode_response::<R>(frame, version).map_err(|error| ClientError::Protocol {
            address: self.shared.address.to_string(),
            api: api_of::<R>(),
            reason: error.to_string(),
        })
    }
}

/// The API of a request. Every request type's key is one of the enumeration.
pub(crate) fn api_of<R: Request>() -> ApiKey {
    ApiKey::try_from(R::KEY).expect("a request type has a known key")
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn disconnected(&self, reason: &str) -> ClientError {
        ClientError::Disconnected {
            address: self.address.to_string(),
            reason: reason.to_owned(),
        }
    }

    fn end(&self, reason: &str) {
        let in_flight = {
            let mut state = self.lock();
            if state.ended.is_some() {
                return;
            }
            state.ended = Some(reason.to_owned());
            std::mem::take(&mut state.in_flight)
        };
        debug!(address = %self.address, reason, in_flight = in_flight.len(), "connection ended");
        for awaited in in_flight {
            // A receiver that is gone no longer wants to know.
            awaited.answer.send(Err(self.disconnected(reason))).ok();
        }
        self.closing.notify_one();
    }

    /// Hands a frame to the request that it answers: always the oldest.
    fn answer(&self, frame: Bytes) -> Result<(), String> {
        let answered = correlation_id(&frame).ok_or("a response without a header")?;
        let awaited = self.lock().in_flight.pop_front();
        let awaited = awaited.ok_or_else(|| format!("an answer nobody asked for: {answered}"))?;
        if awaited.correlation_id != answered {
            let expected = awaited.correlation_id;
            awaited
                .answer
                .send(Err(self.disconnected("answers came out of order")))
                .ok();
            return Err(format!("answer {answered} came instead of {expected}"));
        }
        awaited.answer.send(Ok(frame)).ok();
        Ok(())
    }
}

async fn drive(shared: Arc<Shared>, stream: Stream, requests: mpsc::UnboundedReceiver<Bytes>) {
    let (reader, writer) = tokio::io::split(stream);
    let reading = read(&shared, reader);
    tokio::pin!(reading);
    let reason = tokio::select! {
        reason = &mut reading => reason,
        written = write(writer, requests) => match written {
            Ok(()) => finish(&shared, reading).await,
            Err(error) => error.to_string(),
        },
        () = shared.closing.notified() => return,
    };
    shared.end(&reason);
}

/// All handles are gone; answers that somebody still awaits are read.
async fn finish(shared: &Shared, reading: Pin<&mut impl Future<Output = String>>) -> String {
    let is_awaited = |state: &State| state.in_flight.iter().any(|it| !it.answer.is_closed());
    if !is_awaited(&shared.lock()) {
        return "it is not used any more".to_owned();
    }
    tokio::select! {
        reason = reading => reason,
        () = shared.closing.notified() => "closed".to_owned(),
    }
}

async fn write(
    mut writer: WriteHalf<Stream>,
    mut requests: mpsc::UnboundedReceiver<Bytes>,
) -> io::Result<()> {
    while let Some(frame) = requests.recv().await {
        writer.write_all(&frame).await?;
        if requests.is_empty() {
            writer.flush().await?;
        }
    }
    Ok(())
}

/// Reads until the connection ends; returns why.
async fn read(shared: &Shared, mut reader: ReadHalf<Stream>) -> String {
    let mut buffer = BytesMut::new();
    loop {
        let missing = loop {
            match next_frame(&mut buffer) {
                Ok(Next::Frame(frame)) => {
                    if let Err(reason) = shared.answer(frame) {
                        return reason;
                    }
                }
                Ok(Next::Missing(bytes)) => break bytes,
                Err(reason) => return reason,
            }
        };
        buffer.reserve(missing.clamp(READ_BYTES, RESERVE_BYTES_MAX));
        match reader.read_buf(&mut buffer).await {
            Ok(0) => return "closed by the broker".to_owned(),
            Ok(_) => {}
            Err(error) => return error.to_string(),
        }
    }
}

enum Next {
    Frame(Bytes),
    /// At least so many bytes have to come first.
    Missing(usize),
}

fn next_frame(buffer: &mut BytesMut) -> Result<Next, String> {
    let Some(length) = buffer.first_chunk().map(|bytes| i32::from_be_bytes(*bytes)) else {
        return Ok(Next::Missing(LENGTH_BYTES - buffer.len()));
    };
    let length = usize::try_from(length)
        .ok()
        .filter(|length| *length <= RESPONSE_BYTES_MAX)
        .ok_or_else(|| format!("a response of {length} bytes: this is not Kafka's protocol"))?;
    let end = LENGTH_BYTES + length;
    if buffer.len() < end {
        return Ok(Next::Missing(end - buffer.len()));
    }
    let mut frame = buffer.split_to(end).freeze();
    Ok(Next::Frame(frame.split_off(LENGTH_BYTES)))
}

/// An answer that is yet to come. Its time limit runs from the sending.
#[must_use = "the answer tells whether the request succeeded"]
pub struct PendingResponse<R> {
    connection: Connection,
    version: i16,
    timeout: Duration,
    awaiting: oneshot::Receiver<Result<Bytes, ClientError>>,
    deadline: Pin<Box<Sleep>>,
    request: PhantomData<fn() -> R>,
}

impl<R: Request> PendingResponse<R> {
    /// The version that the request was sent in.
    #[must_use]
    pub fn version(&self) -> i16 {
        self.version
    }

    /// When the time limit ends.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline.deadline()
    }

    async fn frame(mut self) -> Result<Bytes, ClientError> {
        std::future::poll_fn(|ctx| self.poll_frame(ctx)).await
    }

    fn poll_frame(&mut self, ctx: &mut Context<'_>) -> Poll<Result<Bytes, ClientError>> {
        if let Poll::Ready(answer) = Pin::new(&mut self.awaiting).poll(ctx) {
            let gone = |_| self.connection.shared.disconnected("its task has ended");
            return Poll::Ready(answer.map_err(gone).flatten());
        }
        ready!(self.deadline.as_mut().poll(ctx));
        let api = api_of::<R>();
        // The broker may still work on it; nothing behind it would be answered in time either.
        self.connection
            .close(&format!("no answer to {api:?} within {:?}", self.timeout));
        Poll::Ready(Err(ClientError::Timeout {
            what: format!("{api:?} to {}", self.connection.address()),
            after: self.timeout,
            last: None,
        }))
    }
}

impl<R: Request> Future for PendingResponse<R> {
    type Output = Result<R::Response, ClientError>;

    fn poll(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Self::Output> {
        let frame = ready!(self.poll_frame(ctx))?;
        let version = self.version;
        Poll::Ready(self.connection.decode::<R>(frame, version))
    }
}
