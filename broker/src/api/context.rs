//! What a request handler knows besides the request: the broker, the connection, the version.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use ringbrook_protocol::{ClientId, ProtocolError};

use super::turn::Turn;
use crate::replica::Served;
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
    pub(crate) client_id: RefCell<Rc<str>>,
    /// What requests share that are handled without waiting in between.
    pub(crate) turn: Turn,
}

/// Longer client ids are not remembered.
const REMEMBERED_BYTES_MAX: usize = 256;

impl ConnectionContext {
    /// Ends a turn; see [`Turn`].
    pub(crate) fn end_turn(&self) {
        self.turn.end(&self.broker);
    }

    /// A client id of a request, remembered for the next: a slice of a frame would keep the frame.
    ///
    /// # Errors
    /// [`ProtocolError::Malformed`]: it is no text.
    pub(super) fn client_id(&self, named: ClientId<'_>) -> Result<Rc<str>, ProtocolError> {
        let mut remembered = self.client_id.borrow_mut();
        // What was text before need not be looked at as text again.
        if *remembered.as_bytes() == *named.as_bytes() {
            return Ok(Rc::clone(&remembered));
        }
        let client_id = Rc::from(named.text()?);
        if named.as_bytes().len() <= REMEMBERED_BYTES_MAX {
            *remembered = Rc::clone(&client_id);
        }
        Ok(client_id)
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
    /// The client's name for itself, empty when it gave none; for logs, quotas and generated
    /// member ids.
    pub(crate) client_id: Rc<str>,
}

impl RequestContext {
    /// The broker that serves the request.
    pub(crate) fn broker(&self) -> &Arc<Broker> {
        &self.connection.broker
    }

    /// The client's name for itself, empty when it gave none.
    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
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

    /// [`RequestContext::now_ms`] when it was first asked for in this turn of the connection: the
    /// time of a request that is handled without waiting.
    pub(crate) fn turn_ms(&self) -> i64 {
        self.connection.turn.now_ms(&*self.broker().clock)
    }

    /// What is served, for a request that is handled without waiting; see [`Turn`].
    pub(crate) fn turn_served(&self) -> impl Deref<Target = Arc<Served>> {
        self.connection.turn.served(&self.broker().replicas)
    }
}
