//! One connection: requests go out in the order they are sent in, and answers are told apart by
//! correlation id. One task per connection moves the bytes; it ends with the last handle, or when
//! the broker hangs up.

use std::io;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use ringbrook_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};
use ringbrook_protocol::{Request, ResponseError, StrBytes, correlation_id, decode_response};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;
use tracing::debug;

use super::drive::drive;
use super::frame::{self, Frame, LENGTH_BYTES};
use super::in_flight::{Answer, Awaited, InFlight};
use super::{ApiVersions, Connector, HostPort, PendingResponse};
use crate::error::{BrokerError, ClientError};

/// The newest ApiVersions request this client asks with.
const API_VERSIONS_VERSION: i16 = 4;
/// The first that takes the client's name.
const API_VERSIONS_WITH_NAME: i16 = 3;

/// What a connection takes from the configuration.
#[derive(Debug, Clone)]
pub struct ConnectionSettings {
    /// `client.id`.
    pub client_id: String,
    /// `request.timeout.ms`: an answer that takes longer ends the connection.
    pub request_timeout: Duration,
    /// `socket.connection.setup.timeout.ms`.
    pub setup_timeout: Duration,
    /// `connections.max.idle.ms`: a connection that nobody uses for so long ends.
    pub max_idle: Option<Duration>,
}

/// A connection to a broker. Cheap to clone; all clones are the same connection.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
    outgoing: mpsc::UnboundedSender<Frame>,
    versions: Arc<ApiVersions>,
}

/// What the handles, the answers to come and the connection's task have in common.
pub(super) struct Shared {
    address: HostPort,
    client_id: StrBytes,
    request_timeout: Duration,
    next_correlation_id: AtomicI32,
    in_flight: Mutex<InFlight>,
    /// The connection has ended; its task need not wait for anything.
    pub(super) closing: Notify,
    /// A time limit is nearer than the one that is waited for.
    pub(super) nearer: Notify,
    /// An answer has come.
    pub(super) answered: Notify,
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
            next_correlation_id: AtomicI32::new(0),
            in_flight: Mutex::new(InFlight::new(settings.max_idle, Instant::now())),
            closing: Notify::new(),
            nearer: Notify::new(),
            answered: Notify::new(),
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
            let refusal = self.shared.decode::<ApiVersionsRequest>(frame, 0)?;
            let served = ApiVersions::new(refusal);
            let version = served.highest::<ApiVersionsRequest>(API_VERSIONS_VERSION);
            let version = version.unwrap_or_default();
            let is_named = API_VERSIONS_WITH_NAME <= version;
            let request = if is_named {
                request
            } else {
                ApiVersionsRequest::default()
            };
            self.send(version, &request)?.await?
        } else {
            self.shared
                .decode::<ApiVersionsRequest>(frame, API_VERSIONS_VERSION)?
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
        self.shared.lock().ended().is_some()
    }

    /// How many requests wait for their answers.
    #[must_use]
    pub fn in_flight_count(&self) -> usize {
        self.shared.lock().len()
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
    pub fn send<R: Request + 'static>(
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
    pub fn send_within<R: Request + 'static>(
        &self,
        version: i16,
        request: &R,
        timeout: Duration,
    ) -> Result<PendingResponse<R>, ClientError> {
        let (answer, awaiting) = oneshot::channel();
        let deadline = self.enqueue(version, request, timeout, Some(answer))?;
        let shared = Arc::clone(&self.shared);
        Ok(PendingResponse::new(shared, version, deadline, awaiting))
    }

    /// Sends a request that the broker does not answer: Produce with acks=0.
    ///
    /// # Errors
    /// See [`Connection::send`].
    pub fn send_one_way<R: Request + 'static>(
        &self,
        version: i16,
        request: &R,
    ) -> Result<(), ClientError> {
        self.enqueue(version, request, Duration::ZERO, None)
            .map(|_| ())
    }

    /// Sends a request and awaits its answer.
    ///
    /// # Errors
    /// See [`Connection::send`]; no answer comes in time, or one that cannot be read.
    pub async fn call<R: Request + 'static>(
        &self,
        version: i16,
        request: &R,
    ) -> Result<R::Response, ClientError> {
        self.send(version, request)?.await
    }

    /// Returns when the answer has taken too long.
    fn enqueue<R: Request + 'static>(
        &self,
        version: i16,
        request: &R,
        timeout: Duration,
        answer: Option<Answer>,
    ) -> Result<Instant, ClientError> {
        let shared = &self.shared;
        let correlation_id = shared.next_correlation_id.fetch_add(1, Ordering::Relaxed);
        let frame = frame::encode(request, version, correlation_id, &shared.client_id);
        let frame = frame.map_err(|error| {
            let api = api_of::<R>();
            ClientError::Unsupported(format!("{api:?} v{version} cannot be sent: {error}"))
        })?;
        let now = Instant::now();
        let deadline = now + timeout;
        let mut in_flight = shared.lock();
        if let Some(reason) = in_flight.ended() {
            return Err(shared.disconnected(reason));
        }
        in_flight.touch(now);
        let is_answered = answer.is_some();
        let is_nearer = answer.is_some_and(|answer| {
            in_flight.push(Awaited {
                correlation_id,
                api: api_of::<R>(),
                deadline,
                timeout,
                answer,
            })
        });
        // Under the lock: the order of frames is that of the queue of answers.
        if self.outgoing.send(frame).is_err() {
            if is_answered {
                in_flight.take_back();
            }
            return Err(shared.disconnected("its task has ended"));
        }
        drop(in_flight);
        if is_nearer {
            shared.nearer.notify_one();
        }
        Ok(deadline)
    }
}

/// The API of a request. Every request type's key is one of the enumeration.
pub(crate) fn api_of<R: Request>() -> ApiKey {
    ApiKey::try_from(R::KEY).expect("a request type has a known key")
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, InFlight> {
        self.in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn disconnected(&self, reason: &str) -> ClientError {
        ClientError::Disconnected {
            address: self.address.to_string(),
            reason: reason.to_owned(),
        }
    }

    pub(super) fn decode<R: Request>(
        &self,
        frame: Bytes,
        version: i16,
    ) -> Result<R::Response, ClientError> {
        decode_response::<R>(frame, version).map_err(|error| ClientError::Protocol {
            address: self.address.to_string(),
            api: api_of::<R>(),
            reason: error.to_string(),
        })
    }

    /// Fails what waits: with a timeout what has waited for too long, the rest with `reason`.
    pub(super) fn end(&self, reason: &str) {
        let Some(in_flight) = self.lock().end(reason) else {
            return;
        };
        debug!(address = %self.address, reason, in_flight = in_flight.len(), "connection ended");
        let now = Instant::now();
        for awaited in in_flight {
            let error = if awaited.deadline <= now {
                ClientError::Timeout {
                    what: format!("{:?} to {}", awaited.api, self.address),
                    after: awaited.timeout,
                    last: None,
                }
            } else {
                self.disconnected(reason)
            };
            // A receiver that is gone no longer wants to know.
            awaited.answer.send(Err(error)).ok();
        }
        self.closing.notify_one();
    }

    /// Hands a frame to the request that it answers: always the oldest.
    pub(super) fn answer(&self, frame: Bytes) -> Result<(), String> {
        let answered = correlation_id(&frame).ok_or("a response without a header")?;
        let awaited = self.lock().pop(Instant::now());
        let awaited = awaited.ok_or_else(|| format!("an answer nobody asked for: {answered}"))?;
        if awaited.correlation_id != answered {
            let expected = awaited.correlation_id;
            let error = self.disconnected("answers came out of order");
            awaited.answer.send(Err(error)).ok();
            return Err(format!("answer {answered} came instead of {expected}"));
        }
        awaited.answer.send(Ok(frame)).ok();
        self.answered.notify_one();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
