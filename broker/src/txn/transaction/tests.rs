//! Every cell of the tables of transactions, step by step, and random sequences of events against
//! a simple model.

mod ending;
mod initializing;
mod joining;
mod model;
mod steps;
mod support;
