//! What a request handler knows besides the request: the broker, the connection, the version.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use ringbrook_protocol::StrBytes;

use crate::server::Broker;

/// The facts of a connection that stay the same for all of its requests.
///
/// Lives on one core and is never sent to another, hence `Rc` and no atomic counting per request.
pub(crate) struct ConnectionContext {
    /// The broker that serves the connection.
    pub(crate) broker: Arc<Broker>,
    /// The client's address.
    pub(crate) peer: SocketAddr,
    /// Which of the broker's listeners accepted the connection; index into the configuration.
    pub(crate) listener_index: usize,
    /// The client id of the last request: nearly always that of the next, too.
    pub(crate) client_id: RefCell<StrBytes>,
}

/// Longer client ids are not remembered.
const REMEMBERED_BYTES_MAX: usize = 256;

impl ConnectionContext {
    /// Remembers a copy of the client id: a slice of a frame would keep the frame.
    pub(super) fn remember_client_id(&self, client_id: &StrBytes) {
        if client_id.len() <= REMEMBERED_BYTES_MAX && *self.client_id.borrow() != *client_id {
            let copy = StrBytes::from_string(client_id.to_string());
            self.client_id.replace(copy);
        }
    }
}

/// What a handler gets beside the decoded request.
#[derive(Clone)]
pub(crate) struct RequestContext {
    /// The connection that carries the request.
    pub(crate) connection: Rc<ConnectionContext>,
    /// The version that the client speaks; already known to be one that is served.
    pub(crate) api_version: i16,
    /// Echoed in the response header.
    pub(crate) correlation_id: i32,
    /// The client's name for itself; for logs, quotas and generated member ids.
    pub(crate) client_id: Option<StrBytes>,
}

impl RequestContext {
    /// The broker that serves the request.
    pub(crate) fn broker(&self) -> &Arc<Broker> {
        &self.connection.broker
    }

    /// The client's name for itself, empty when it gave none.
    pub(crate) fn client_id(&self) -> &str {
        self.client_id.as_ref().map_or("", StrBytes::as_str)
    }

    /// The name of the listener that accepted the connection: clients are told of the endpoints of
    /// the same listener.
    pub(crate) fn listener_name(&self) -> &str {
        self.broker()
            .listener_names
            .get(self.connection.listener_index)
            .map_or("", String::as_str)
    }

    /// Milliseconds since the Unix epoch, from the broker's clock.
    pub(crate) fn now_ms(&self) -> i64 {
        self.broker().clock.now_ms()
    }
}
