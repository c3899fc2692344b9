//! Proof by trying to break it: seeded machines on the simulated disk work, lose power, meet failed
//! writes, start again, and everything they acknowledged has to be there. Compiled for tests and
//! with the feature `sim` only, for the `crash_soak` example; no release has it.
//!
//! `campaign` runs a seed, `machine` is what runs, `steps` what it does, `ledger` what it must not
//! lose, `verify` and `rebuild` how that is checked, on other code paths than the engine's own.
//! `keyed` is a campaign of its own for logs that are compacted and moved between log dirs.

mod breach;
mod campaign;
mod files;
mod keyed;
mod ledger;
mod machine;
mod produce;
mod random;
pub(crate) mod rebuild;
mod replay;
#[cfg(test)]
pub(crate) mod sabotage;
mod steps;
mod verify;

pub use breach::{Breach, Rule};
pub use campaign::{Failure, Plan, run_seed};
pub use keyed::{KeyedTally, run_keyed_seed};
pub use machine::Tally;

#[cfg(test)]
mod tests;
