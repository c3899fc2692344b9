//! A request as a fake broker received it.

use bytes::{Buf, Bytes};
use ringbrook_protocol::messages::ApiKey;
use ringbrook_protocol::{HeaderPrefix, Request, decode_request_header};
use tokio::time::Instant;

/// A request as a fake broker received it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The broker's id.
    pub(crate) node: i32,
    /// Tells connections apart, over all brokers.
    pub(crate) connection: u64,
    /// What is asked.
    pub(crate) api: ApiKey,
    /// In which version.
    pub(crate) version: i16,
    /// To be returned in the answer.
    pub(crate) correlation_id: i32,
    /// What the client calls itself.
    pub(crate) client_id: Option<String>,
    /// When it came.
    pub(crate) at: Instant,
    body: Bytes,
}

impl Asked {
    /// From a frame without its length.
    ///
    /// # Panics
    /// The client sent what no broker could read: a failure of the test.
    pub(super) fn parse(node: i32, connection: u64, mut frame: Bytes) -> Self {
        let prefix = HeaderPrefix::parse(&frame).expect("a frame holds a header");
        let api = ApiKey::try_from(prefix.api_key).expect("a client asks known APIs only");
        let header_version = api.request_header_version(prefix.api_version);
        let header = decode_request_header(&frame, header_version).expect("a header");
        let (version, correlation_id) = (header.api_version, header.correlation_id);
        let client_id = header
            .client_id
            .map(|it| it.text().expect("text").to_owned());
        let header_bytes = header.size_bytes;
        frame.advance(header_bytes);
        Self {
            node,
            connection,
            api,
            version,
            correlation_id,
            client_id,
            at: Instant::now(),
            body: frame,
        }
    }

    /// The request itself.
    ///
    /// # Panics
    /// It is another one, or cannot be read.
    pub(crate) fn request<R: Request>(&self) -> R {
        assert_eq!(self.api as i16, R::KEY, "another request than expected");
        let mut body = self.body.clone();
        let request = R::decode(&mut body, self.version).expect("the client's request is readable");
        assert!(body.is_empty(), "bytes behind a request: {body:?}");
        request
    }
}
