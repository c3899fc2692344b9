//! Listening sockets: bind, accept, deal connections to the cores in turn.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use tokio::net::TcpListener;

use super::core_thread::CoreSender;
use crate::config::NetworkConfig;
use crate::server::Broker;

/// How long accepting pauses after an error such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Rates that leave less than this between two connections are no limit worth a timer.
const ACCEPT_INTERVAL_MIN: Duration = Duration::from_micros(100);

/// Binds a listening socket; port 0 takes any free port.
///
/// # Errors
/// The address is in use, not of this machine, or may not be bound.
pub(crate) fn bind(address: SocketAddr, backlog: i32) -> io::Result<std::net::TcpListener> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, backlog)?;
    Ok(socket.into())
}

/// Limits on connections: `max.connections` and `max.connections.per.ip`.
#[derive(Debug, Default)]
pub(crate) struct ConnectionLimits {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    by_ip: HashMap<IpAddr, usize>,
}

impl ConnectionLimits {
    /// Counts a connection from `ip`; `false` when a limit of `network` is reached.
    pub(crate) fn admit(&self, ip: IpAddr, network: &NetworkConfig) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let from_ip = counts.by_ip.get(&ip).copied().unwrap_or(0);
        let is_ip = |host: &str| host.parse() == Ok(ip);
        let overrides = &network.max_connections_per_ip_overrides;
        let per_ip_max = overrides
            .iter()
            .find(|(host, _)| is_ip(host))
            .map_or(network.max_connections_per_ip, |(_, connections_max)| {
                *connections_max
            });
        if network.max_connections <= counts.total || per_ip_max <= from_ip {
            return false;
        }
        counts.total += 1;
        counts.by_ip.insert(ip, from_ip + 1);
        true
    }

    /// Takes back what [`ConnectionLimits::admit`] counted.
    pub(crate) fn release(&self, ip: IpAddr) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.total = counts.total.saturating_sub(1);
        if let Some(from_ip) = counts.by_ip.get_mut(&ip) {
            *from_ip -= 1;
            if *from_ip == 0 {
                counts.by_ip.remove(&ip);
            }
        }
    }
}

/// Accepts connections for ever and deals them to `cores` in turn.
pub(crate) async fn accept(
    listener: TcpListener,
    listener_index: usize,
    cores: Vec<CoreSender>,
    broker: Arc<Broker>,
) {
    for core in cores.iter().cycle() {
        let (socket, peer) = loop {
            match listener.accept().await {
                Ok((socket, peer)) => {
                    let limits = &broker.connection_limits;
                    if limits.admit(peer.ip(), &broker.config().network) {
                        break (socket, peer);
                    }
                    broker.metrics.connections_refused.increment();
                    tracing::info!(%peer, "connection refused: limit on connections reached");
                }
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        };
        broker.metrics.connections_accepted.increment();
        let pause = accept_interval(broker.config().network.max_connection_creation_rate);
        if ACCEPT_INTERVAL_MIN < pause {
            tokio::time::sleep(pause).await;
        }
        match prepare(socket, &broker) {
            Ok(socket) => core.serve(socket, peer, listener_index),
            Err(error) => {
                broker.connection_limits.release(peer.ip());
                tracing::debug!(%peer, %error, "connection lost before it was served");
            }
        }
    }
}

/// Time between two connections at a rate of `connections_per_s_max`; a rate of 0 is taken as 1.
fn accept_interval(connections_per_s_max: usize) -> Duration {
    let rate = u32::try_from(connections_per_s_max)
        .unwrap_or(u32::MAX)
        .max(1);
    Duration::from_secs(1) / rate
}

fn prepare(socket: tokio::net::TcpStream, broker: &Broker) -> io::Result<std::net::TcpStream> {
    socket.set_nodelay(true)?;
    let socket = socket.into_std()?;
    let network = &broker.config().network;
    sockopt::set_socket_keepalive(&socket, true)?;
    if let Some(bytes) = network.socket_send_buffer_bytes {
        sockopt::set_socket_send_buffer_size(&socket, bytes)?;
    }
    if let Some(bytes) = network.socket_receive_buffer_bytes {
        sockopt::set_socket_recv_buffer_size(&socket, bytes)?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{BrokerConfig, ConfigSources};

    #[test]
    fn the_creation_rate_sets_the_time_between_connections() {
        assert_eq!(accept_interval(4), Duration::from_millis(250));
        assert!(accept_interval(usize::MAX) < ACCEPT_INTERVAL_MIN);
    }

    #[test]
    fn connections_are_limited_in_all_and_per_address() {
        let network = NetworkConfig {
            max_connections: 3,
            max_connections_per_ip: 2,
            ..BrokerConfig::load(ConfigSources::default())
                .expect("defaults load")
                .0
                .network
        };
        let limits = ConnectionLimits::default();
        let [a, b] = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2])];
        assert!(limits.admit(a, &network) && limits.admit(a, &network));
        assert!(!limits.admit(a, &network), "two per address");
        assert!(limits.admit(b, &network));
        assert!(!limits.admit(b, &network), "three in all");
        limits.release(a);
        assert!(limits.admit(b, &network));
    }
}
