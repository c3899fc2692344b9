//! Transactions and their producers: list, describe, fence, abort what hangs.

mod abort;
mod describe;
mod fence;
mod list;
mod producers;
mod state;

pub use abort::AbortTransactionSpec;
pub use describe::TransactionDescription;
pub use fence::FencedProducer;
pub use list::{ListTransactionsOptions, TransactionListing};
pub use producers::ProducerState;
pub use state::TransactionState;
