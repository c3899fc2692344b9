//! The keys of `__transaction_state`: an i16 record type, then the fields of that type.
//!
//! | type | key |
//! |---:|---|
//! | 0 | transactional id string |
//!
//! Source: `TransactionLogKey.json` of Kafka's transaction coordinator.

use std::sync::Arc;

use bytes::Bytes;

use crate::coordinator::SchemaError;
use crate::coordinator::wire::{Reader, Writer};

const TRANSACTION: i16 = 0;

/// A decoded key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RecordKey {
    /// A transactional id.
    TransactionalId(Arc<str>),
    /// A record type this broker does not know.
    Unknown(i16),
}

impl RecordKey {
    /// Decodes a key.
    ///
    /// # Errors
    /// When the bytes end early or hold an impossible length.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, SchemaError> {
        let mut reader = Reader::new(bytes);
        match reader.i16()? {
            TRANSACTION => Ok(Self::TransactionalId(reader.string(false)?)),
            unknown => Ok(Self::Unknown(unknown)),
        }
    }
}

/// Encodes the key of a transactional id.
///
/// # Errors
/// When the id is longer than 32767 bytes.
pub(crate) fn encode_key(transactional_id: &str) -> Result<Bytes, SchemaError> {
    let mut writer = Writer::with_capacity(4 + transactional_id.len());
    writer.i16(TRANSACTION);
    writer.string(transactional_id)?;
    Ok(writer.finish())
}
