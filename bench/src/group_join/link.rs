//! A member's connection: one request at a time.

use std::net::SocketAddr;

use bytes::Bytes;
use ringbrook_protocol::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::frames::encode;
use crate::load::decode;

/// A connection.
pub(super) struct Link {
    stream: TcpStream,
    correlation_id: i32,
}

impl Link {
    /// # Errors
    /// Nobody listens.
    pub(super) async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            correlation_id: 0,
        })
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// The connection failed.
    pub(super) async fn call<Q: Request>(
        &mut self,
        request: &Q,
        version: i16,
    ) -> anyhow::Result<Q::Response> {
        self.correlation_id += 1;
        let frame = encode(request, version, self.correlation_id)?;
        self.stream.write_all(&frame).await?;
        let length = self.stream.read_u32().await?;
        let mut answer = vec![0; usize::try_from(length)?];
        self.stream.read_exact(&mut answer).await?;
        decode(Bytes::from(answer), self.correlation_id, version)
    }
}
