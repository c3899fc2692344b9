//! What benchmarks work on: batches, requests, topics, logs. Always the same, byte for byte.

mod batches;
mod logs;
mod requests;

pub use batches::{LIMIT_BYTES, NOW_MS, RecordSource, batch, fetched, numbered_batches, value};
pub use logs::{CTX, Logs, append_group, filled, page_cache};
pub use requests::{
    FETCH_VERSION, PRODUCE_VERSION, TOPIC, decode_fetch, decode_produce, fetch_request,
    fetch_response, frame, produce_request, produce_response, topic_metadata,
};
