//! A module per tool, and the list of them.

pub mod cluster;

use crate::frame::Tool;

/// All tools, as `rbk --help` shows them.
pub const ALL: &[Tool] = &[cluster::TOOL];
