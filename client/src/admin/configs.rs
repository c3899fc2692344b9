//! Configurations of topics, brokers, groups and client metrics.

mod alter;
mod describe;
mod entry;
mod list;
mod resource;

pub use alter::{AlterConfigOp, OpType};
pub use describe::DescribeConfigsOptions;
pub use entry::{ConfigEntry, ConfigSource, ConfigSynonym, ConfigType};
pub use resource::{ConfigResource, ConfigResourceType};
