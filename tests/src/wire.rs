//! A client that sends exactly the frames it is told to.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use ringbrook_protocol::messages::RequestHeader;
use ringbrook_protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

/// How long an answer may take on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// Why no answer was had.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The broker closed the connection.
    #[error("the broker closed the connection")]
    Closed,
    /// The socket failed, or no answer came in time.
    #[error(transparent)]
    Io(io::Error),
    /// What came is not the answer, or the request cannot be expressed.
    #[error("{0}")]
    Unexpected(String),
}

impl WireError {
    fn unexpected(error: impl std::fmt::Display) -> Self {
        Self::Unexpected(error.to_string())
    }
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => WireError::Closed,
            _ => WireError::Io(error),
        }
    }
}

/// A connection to a broker.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    client_id: String,
    next_correlation_id: i32,
}

impl Wire {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn connect(address: SocketAddr) -> Result<Self, WireError> {
        let stream = TcpStream::connect(address).map_err(WireError::Io)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        Ok(Self {
            stream,
            client_id: "wire".to_owned(),
            next_correlation_id: 1,
        })
    }

    /// Calls itself `client_id` in requests from now on.
    #[must_use]
    pub fn named(mut self, client_id: &str) -> Self {
        client_id.clone_into(&mut self.client_id);
        self
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The broker has closed the connection.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Sends a request; returns its correlation id.
    ///
    /// # Errors
    /// The version cannot express the request, or the broker has closed the connection.
    pub fn send<R: Request>(&mut self, request: &R, version: i16) -> Result<i32, WireError> {
        let (correlation_id, frame) = self.frame(request, version)?;
        self.send_raw(&frame)?;
        Ok(correlation_id)
    }

    /// Encodes a request into a frame with its length; returns the correlation id with it.
    ///
    /// # Errors
    /// The version cannot express the request.
    pub fn frame<R: Request>(
        &mut self,
        request: &R,
        version: i16,
    ) -> Result<(i32, Bytes), WireError> {
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id = self.next_correlation_id.wrapping_add(1);
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(correlation_id)
            .with_client_id(Some(StrBytes::from_string(self.client_id.clone())));
        let mut body = BytesMut::new();
        header
            .encode(&mut body, R::header_version(version))
            .map_err(WireError::unexpected)?;
        request
            .encode(&mut body, version)
            .map_err(WireError::unexpected)?;
        let mut frame = BytesMut::with_capacity(body.len() + 4);
        frame.put_u32(u32::try_from(body.len()).map_err(WireError::unexpected)?);
        frame.put(body);
        Ok((correlation_id, frame.freeze()))
    }

    /// Reads one response frame, without its length.
    ///
    /// # Errors
    /// None comes.
    pub fn read_frame(&mut self) -> Result<Bytes, WireError> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = usize::try_from(i32::from_be_bytes(length)).map_err(WireError::unexpected)?;
        let mut frame = vec![0; length];
        self.stream.read_exact(&mut frame)?;
        Ok(frame.into())
    }

    /// Reads the response to a request of type `R`.
    ///
    /// # Errors
    /// None comes, or it answers another request, or its bytes are not those of the response.
    pub fn receive<R: Request>(
        &mut self,
        correlation_id: i32,
        version: i16,
    ) -> Result<R::Response, WireError> {
        let mut frame = self.read_frame()?;
        if frame.len() < 4 {
            return Err(WireError::unexpected("a response without a header"));
        }
        let answered = frame.get_i32();
        if answered != correlation_id {
            let text = format!("answer to request {answered} instead of {correlation_id}");
            return Err(WireError::Unexpected(text));
        }
        if 1 <= R::Response::header_version(version) {
            frame.advance(1);
        }
        let message = R::Response::decode(&mut frame, version).map_err(WireError::unexpected)?;
        if frame.has_remaining() {
            let text = format!("{} bytes behind the response", frame.remaining());
            return Err(WireError::Unexpected(text));
        }
        Ok(message)
    }

    /// Sends a request and reads its response.
    ///
    /// # Errors
    /// See [`Wire::send`] and [`Wire::receive`].
    pub fn call<R: Request>(
        &mut self,
        request: &R,
        version: i16,
    ) -> Result<R::Response, WireError> {
        let correlation_id = self.send(request, version)?;
        self.receive::<R>(correlation_id, version)
    }

    /// Whether the broker closes the connection without another answer.
    pub fn is_closed_by_broker(&mut self) -> bool {
        matches!(self.read_frame(), Err(WireError::Closed))
    }

    /// Whether the broker sends nothing, not even the end of the connection, for `duration`.
    ///
    /// # Errors
    /// The socket fails.
    pub fn is_silent_for(&mut self, duration: Duration) -> Result<bool, WireError> {
        self.stream.set_read_timeout(Some(duration))?;
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_read_timeout(Some(DEADLINE))?;
        match peeked {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(false),
        }
    }

    /// Says that nothing more is sent; answers can still be read.
    ///
    /// # Errors
    /// The broker has closed the connection.
    pub fn end_sending(&mut self) -> Result<(), WireError> {
        Ok(self.stream.shutdown(Shutdown::Write)?)
    }
}
