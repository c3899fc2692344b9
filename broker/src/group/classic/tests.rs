//! Every transition of the classic group and every error a member can get, one claim per test;
//! random histories are in `property`.

mod harness;
mod joining;
mod members;
mod property;
mod statics;
mod syncing;
