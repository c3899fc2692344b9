//! Access control lists: who may do what to what.

mod binding;
mod calls;
mod filter;
mod kinds;

pub use binding::{AccessControlEntry, AclBinding, ResourcePattern};
pub use filter::AclBindingFilter;
pub use kinds::{AclOperation, AclPermissionType, PatternType, ResourceType};
