//! Groups: list, describe, delete, remove members, and their committed offsets.

mod assignment;
mod delete;
mod describe;
mod list;
mod members;
mod offsets;
mod state;

pub use describe::{ClassicGroupDescription, ConsumerGroupDescription, MemberDescription};
pub use list::{GroupListing, ListGroupsOptions};
pub use members::MemberToRemove;
pub use offsets::CommittedOffsets;
pub use state::{GroupState, GroupType};
