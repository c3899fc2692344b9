//! What a producer is known by: its id and epoch.

/// The producer id of none.
pub(crate) const NO_PRODUCER_ID: i64 = -1;
/// The producer epoch of none.
pub(crate) const NO_PRODUCER_EPOCH: i16 = -1;

/// The last epoch that a producer is ever given. One more exists, so that its transaction can still
/// be ended or aborted under a newer epoch; then a new producer id takes over.
const LAST_EPOCH: i16 = i16::MAX - 1;

/// A producer id with its epoch (Kafka's class of the same name).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProducerIdAndEpoch {
    /// The producer id.
    pub producer_id: i64,
    /// The epoch; newer producers with the same id have a higher one.
    pub producer_epoch: i16,
}

impl ProducerIdAndEpoch {
    /// The producer with this id and epoch.
    pub const fn new(producer_id: i64, producer_epoch: i16) -> Self {
        Self {
            producer_id,
            producer_epoch,
        }
    }
}

/// Whether no producer may be given an epoch after this one.
pub(crate) const fn is_epoch_exhausted(producer_epoch: i16) -> bool {
    LAST_EPOCH <= producer_epoch
}

/// Whether this is the epoch no producer is ever given. A request that names it is forged.
pub(crate) const fn is_epoch_reserved(producer_epoch: i16) -> bool {
    producer_epoch == i16::MAX
}

/// Whether an epoch is the last one before a producer id was replaced.
pub(crate) const fn is_last_epoch(producer_epoch: i16) -> bool {
    producer_epoch == LAST_EPOCH
}
