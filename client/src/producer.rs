//! The producer: records go in, are gathered into batches per partition, and become requests.

mod interceptor;
pub mod partitioner;
mod producer_record;
mod record_metadata;

pub use interceptor::{Interceptors, ProducerInterceptor};
pub use producer_record::ProducerRecord;
pub use record_metadata::RecordMetadata;
