//! Tests of consumer groups without a coordinator: the harness, then one file per kind of event.

mod harness;
mod joining;
mod leaving;
mod offsets;
mod property;
mod regexes;
mod statics;
