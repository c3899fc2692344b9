//! The hot paths of the product with a fixed amount of work each: the rows of the gate, and the
//! pieces that they and the criterion benches of `bench/benches` are put together from.
//!
//! Nothing here re-implements anything: rows call what the broker and the clients call.

pub mod pieces;
pub mod rows;
