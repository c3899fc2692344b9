//! Cluster metadata: the replicated state machine and its published image.
