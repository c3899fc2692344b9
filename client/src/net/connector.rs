//! How a byte stream to a broker comes about: the seam for TLS and SASL.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::HostPort;

/// How long one address of a name gets before the next one is tried, too (RFC 8305).
const HEAD_START: Duration = Duration::from_millis(250);

/// A byte stream that requests go over.
pub trait IoStream: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> IoStream for T {}

/// Makes byte streams. A connector that speaks TLS returns the stream above it; one that
/// authenticates with SASL does so before it returns, with SaslHandshake and SaslAuthenticate
/// requests of its own: what it returns is a stream on which the broker awaits ordinary requests.
///
/// ```
/// use std::{io, pin::Pin, sync::Arc};
/// use futures_util::future::BoxFuture;
/// use ringbrook_client::net::{Connector, HostPort, IoStream, TcpConnector};
///
/// /// TCP through a tunnel that always ends at the same place, whatever brokers call themselves.
/// struct Tunnel(HostPort);
///
/// impl Connector for Tunnel {
///     fn connect<'a>(
///         &'a self,
///         address: &'a HostPort,
///     ) -> BoxFuture<'a, io::Result<Pin<Box<dyn IoStream>>>> {
///         Box::pin(async move {
///             let stream = TcpConnector.connect(&self.0).await?;
///             // With TLS: `connector.connect(server_name(address), stream).await`, boxed again.
///             Ok(stream)
///         })
///     }
/// }
///
/// let connector: Arc<dyn Connector> = Arc::new(Tunnel("localhost:9092".parse()?));
/// # Ok::<(), String>(())
/// ```
pub trait Connector: Send + Sync {
    /// Connects to `address`. The caller limits the time: `socket.connection.setup.timeout.ms`
    /// covers everything that happens here.
    ///
    /// # Errors
    /// [`io::ErrorKind::PermissionDenied`] says that the broker refuses who the client is, or the
    /// client the broker: calls fail with it at once. Anything else is tried again.
    fn connect<'a>(
        &'a self,
        address: &'a HostPort,
    ) -> BoxFuture<'a, io::Result<Pin<Box<dyn IoStream>>>>;
}

/// Plain TCP, without Nagle's delay. All addresses of a name are tried, one soon after the other:
/// a dead one costs a quarter of a second, not a timeout.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpConnector;

impl Connector for TcpConnector {
    fn connect<'a>(
        &'a self,
        address: &'a HostPort,
    ) -> BoxFuture<'a, io::Result<Pin<Box<dyn IoStream>>>> {
        Box::pin(async move {
            let host = (address.host.as_str(), address.port);
            let addresses: Vec<_> = tokio::net::lookup_host(host).await?.collect();
            let stream = first_of(&addresses, TcpStream::connect).await?;
            stream.set_nodelay(true)?;
            Ok(Box::pin(stream) as Pin<Box<dyn IoStream>>)
        })
    }
}

/// The first connection that succeeds.
///
/// # Errors
/// The last one's, or that there is no address.
async fn first_of<T>(
    addresses: &[SocketAddr],
    connect: impl AsyncFn(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut addresses = addresses.iter();
    let mut attempts = FuturesUnordered::new();
    let mut next = addresses.next();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        if let Some(address) = next.take() {
            attempts.push(connect(*address));
        }
        tokio::select! {
            biased;
            Some(connected) = attempts.next() => match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => {
                    last = error;
                    next = addresses.next();
                }
            },
            () = tokio::time::sleep(HEAD_START), if addresses.len() != 0 => {
                next = addresses.next();
            }
            else => return Err(last),
        }
    }
}

#[cfg(test)]
mod tests;
