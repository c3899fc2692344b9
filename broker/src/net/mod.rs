//! Sockets: listeners, a thread and ring per core, connections, sending of file regions.
//!
//! Knows frames and answers, not what is in them. Called by `server`; calls `api`.

pub(crate) mod core_thread;
pub(crate) mod listener;
pub(crate) mod request_memory;

mod answers;
mod connection;
mod connections;
mod frame_reader;
mod send;
