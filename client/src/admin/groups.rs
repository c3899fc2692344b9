//! Groups: list, describe, delete, remove members, and their committed offsets.

mod assignment;
mod delete;
mod describe;
mod list;
mod members;
mod state;

pub use describe::{ClassicGroupDescription, ConsumerGroupDescription, MemberDescription};
pub use list::{GroupListing, ListGroupsOptions};
pub use members::MemberToRemove;
pub use state::{GroupState, GroupType};
