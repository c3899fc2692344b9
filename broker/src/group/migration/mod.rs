//! Changing a group between the classic and the consumer protocol while its members work on
//! (KIP-848). Pure: a group goes in, the same group in the other protocol comes out.
//!
//! A classic group is upgraded when the first member of the consumer protocol joins; a consumer
//! group is downgraded when the last such member goes and members of the classic protocol remain.
//! In between a consumer group serves members of both kinds (`group::consumer::classic_join` and
//! `classic_member`). The shard replaces the group and writes the records (`migration_shard`).
//!
//! **Invariant:** the records of the former group are removed in the same batch that says what it
//! has become, so that a log never tells of two groups with one id.

mod downgrade;
mod policy;
mod upgrade;

pub(crate) use downgrade::{Downgrade, encoded};
pub use policy::MigrationPolicy;
pub(crate) use upgrade::upgrade;

#[cfg(test)]
mod tests;
