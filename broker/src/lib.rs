//! Filled in by the commits that follow the workspace skeleton.
