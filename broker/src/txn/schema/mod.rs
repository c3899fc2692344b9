//! The records of `__transaction_state`: Kafka's own schemas, so that either broker can take over
//! the other's topic. Not requests and responses.

mod key;
mod value;

pub(crate) use key::{RecordKey, encode_key};
pub(crate) use value::{decode_value, encode_value};

#[cfg(test)]
mod tests;
