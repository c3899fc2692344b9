//! System tests: a real broker process, driven through its sockets.
//!
//! Tests on the shared broker state Kafka's behaviour and pass against Apache Kafka too:
//! `RINGBROOK_TEST_BOOTSTRAP=host:port cargo test -p ringbrook-tests --test system`.

mod deletion;
mod fetch;
mod fetch_sessions;
mod produce;
