//! What groups have committed: list, alter, delete.

mod alter;
mod delete;
mod list;

pub use list::CommittedOffsets;
