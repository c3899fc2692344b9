//! Produce requests and responses as values of our own, because nothing else comes as often with so
//! little in it: read and written in one pass, and one partition of one topic is not allocated for.
//! kafka-protocol's structs, which clients and tests use, take 2.5 to 6 times as much. Tests
//! hold both to the same bytes in every version.
//!
//! Versions 3 to 13. Kafka: `ProduceRequest.json`, `ProduceResponse.json`.

mod request;
mod response;

#[cfg(test)]
mod tests;

use smallvec::SmallVec;

pub use request::{PartitionData, Request, TopicData};
pub use response::{PartitionResponse, RecordError, Refusal, Response, TopicResponse};

/// A list that mostly has one element, which is not allocated then.
pub type Few<T> = SmallVec<[T; 1]>;

/// From this version on lengths are varints and every structure ends in tagged fields.
const FLEXIBLE_FROM: i16 = 9;
/// From this version on topics are named by id.
const TOPIC_ID_FROM: i16 = 13;
