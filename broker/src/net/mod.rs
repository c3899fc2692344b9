//! Sockets: listener, connections, sending of file regions.
