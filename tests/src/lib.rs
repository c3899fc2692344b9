//! The harness of the system tests: starts real brokers, speaks to them in raw frames.
//!
//! Nothing here knows the broker's insides. A test either has a broker process of its own
//! ([`TestBroker`]) or uses one that all tests running at the moment share ([`SharedBroker`]) with
//! topic and group names of its own ([`unique`]). Brokers listen on free ports, keep their data in
//! temporary directories, and end with the tests that use them.

mod batch;
mod broker;
mod cargo;
mod client;
pub mod exactly_once;
mod example;
mod process;
mod read_committed;
mod shared;
mod small_disk;
mod stored_log;
mod wire;

pub use batch::{
    TestRecord, batch, batch_of_bytes, builder, compressed, idempotent, read, stored_as,
};
pub use broker::{BrokerOptions, TestBroker};
pub use client::{
    Client, by_id, by_name, error, fetch_request, produce_request, single_fetched, single_produced,
    topic_name,
};
pub use example::Example;
pub use process::{cpu_time, now, now_ms, resident_bytes, wait_until};
pub use read_committed::{ReadCommitted, ReadRecord, read_committed};
pub use shared::{SharedBroker, unique};
pub use small_disk::SmallDisk;
pub use stored_log::write_behind_batches;
pub use wire::{Wire, WireError};
