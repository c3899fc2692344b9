//! What all tools share. A tool is a [`Tool`]: its options and a function that is given the parsed
//! [`Options`] and a [`Context`] to write to, and that may end in a [`Failure`].

mod arguments;
mod completions;
mod config;
mod context;
mod dispatch;
mod failure;
mod kafka_error;
mod links;
mod options;
mod tool;

pub use config::bootstrap_options;
pub use context::{Context, run_async};
pub use dispatch::run;
pub use failure::{Failure, broker_message, message_of};
pub use kafka_error::{default_message, exception_name};
pub use options::{Options, flag, optional_value, value, values};
pub use tool::{KAFKA_VERSION, Tool};
