//! A fake cluster for tests: brokers in this process that answer by a script.
//!
//! For unit tests inside this crate, of anything that talks to brokers. Without a script it behaves
//! like a small cluster: metadata, coordinators, producer ids, and a log per partition that is
//! produced to and fetched from. A script per API replaces or changes single answers: errors, slow
//! answers, lost answers, dropped connections, answers out of order, garbage.
//!
//! Streams are in memory, so tests with a paused clock (`#[tokio::test(start_paused = true)]`) are
//! exact and take no time; [`FakeCluster::listen`] puts the same brokers behind TCP.
//!
//! ```ignore
//! let fake = FakeCluster::new(3);
//! fake.create_topic("orders", 6);
//! let cluster = Cluster::new(fake.client_config(), fake.connector())?;
//! // The next Produce to whichever node fails, all others go to the fake's log:
//! fake.next_error::<ProduceRequest>(ResponseError::NotLeaderOrFollower);
//! // The one after that is appended, but its answer is lost with the connection:
//! fake.next::<ProduceRequest>(|_, _| Reply::builtin().hang_up());
//! // All ListOffsets are answered by hand:
//! fake.on::<ListOffsetsRequest>(|asked, request| Reply::answer(ListOffsetsResponse::default()));
//! // What was asked:
//! let asked = fake.received::<ProduceRequest>(2).await;
//! ```

mod asked;
mod builtin;
mod connector;
mod error_answer;
mod fake_cluster;
mod groups;
mod log;
mod metadata;
mod reply;
mod script;
mod serving;
mod topics;

#[cfg(test)]
mod tests;

pub(crate) use asked::Asked;
pub(crate) use error_answer::ErrorAnswer;
pub(crate) use fake_cluster::FakeCluster;
pub(crate) use reply::{Gate, Reply};
