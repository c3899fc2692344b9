//! How a byte stream to a broker comes about: the seam for TLS and SASL.

use std::io;
use std::pin::Pin;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::HostPort;

/// A byte stream that requests go over.
pub trait IoStream: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> IoStream for T {}

/// Makes byte streams. A connector that speaks TLS returns the stream above it; one that
/// authenticates with SASL does so before it returns.
pub trait Connector: Send + Sync {
    /// Connects to `address`. The caller limits the time.
    fn connect<'a>(
        &'a self,
        address: &'a HostPort,
    ) -> BoxFuture<'a, io::Result<Pin<Box<dyn IoStream>>>>;
}

/// Plain TCP, without Nagle's delay.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpConnector;

impl Connector for TcpConnector {
    fn connect<'a>(
        &'a self,
        address: &'a HostPort,
    ) -> BoxFuture<'a, io::Result<Pin<Box<dyn IoStream>>>> {
        Box::pin(async move {
            let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
            stream.set_nodelay(true)?;
            Ok(Box::pin(stream) as Pin<Box<dyn IoStream>>)
        })
    }
}
