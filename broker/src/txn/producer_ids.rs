//! Where new producer ids come from: the seam between the coordinator and the controller.

use futures_util::future::LocalBoxFuture;

use super::error::TxnError;

/// Gives out producer ids, each one once in the life of the cluster.
pub trait ProducerIds: Send + Sync + 'static {
    /// An id nobody was given before.
    ///
    /// # Errors
    /// `CoordinatorNotAvailable` when the controller has none to give for now.
    fn next(&self) -> LocalBoxFuture<'_, Result<i64, TxnError>>;
}
