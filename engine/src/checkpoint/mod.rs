//! The small files beside the segments, in Kafka's formats: checkpoints of offsets, leader epochs,
//! the topic id, the identity of a log dir and the clean-shutdown marker. Parsing and rendering
//! only touch strings; each file names who reads and writes it.

mod clean_shutdown;
mod meta_properties;
mod offset_checkpoint;
mod partition_metadata;
mod text_file;
mod topic_id;

pub(crate) use clean_shutdown::CleanShutdownMarker;
pub(crate) use meta_properties::{META_PROPERTIES, MetaProperties};
pub(crate) use offset_checkpoint::{OffsetCheckpoint, PartitionOffsets, render_offsets};
pub(crate) use partition_metadata::PartitionMetadata;
pub(crate) use text_file::{parse_entries, render_entries};
pub(crate) use topic_id::{encode_id, random_id};

/// Largest metadata file that is read: 64 MiB hold a checkpoint of half a million partitions.
pub(crate) const FILE_BYTES_MAX: u64 = 64 << 20;

#[cfg(test)]
mod tests;
