//! What all tools share. A tool is a [`Tool`]: its options and a function that is given the parsed
//! [`Options`] and a [`Context`] to write to, and that may end in a [`Failure`].

mod arguments;
mod completions;
mod config;
mod context;
mod dispatch;
mod failure;
mod java_number;
mod java_order;
mod json_file;
mod kafka_error;
mod links;
mod options;
mod tool;
mod topic_filter;
mod uuid_text;

pub use config::bootstrap_options;
pub use context::{Context, run_async, run_on_two, stopped};
pub use dispatch::run;
pub use failure::{Failure, broker_message, message_of};
pub use java_number::java_float;
pub use java_order::{in_java_order, partitions_in_java_order};
pub use json_file::JsonFile;
pub(crate) use json_file::number_of;
pub use kafka_error::{default_message, exception_name};
pub use options::{Options, flag, optional_value, value, values};
pub use tool::{KAFKA_VERSION, Tool};
pub use topic_filter::TopicFilter;
pub use uuid_text::{uuid_of_text, uuid_text};
