//! Connections to brokers: how one is made, and requests and responses over it.
//!
//! It knows addresses and frames. Which broker to ask is the cluster's matter.

mod address;
mod api_versions;
mod connection;
mod connector;
mod drive;
mod frame;
mod in_flight;
mod pending;
mod produce;

pub use address::HostPort;
pub use api_versions::ApiVersions;
pub(crate) use connection::api_of;
pub use connection::{Connection, ConnectionSettings};
pub use connector::{Connector, IoStream, TcpConnector};
pub use pending::PendingResponse;
