//! The table of APIs: every request that the broker serves, and the handler of each.
//!
//! A handler lives in the file named for its API. It is either a plain function that returns an
//! [`Answer`], whose first half runs in the order of the connection's requests (Produce), or an
//! `async` function from request to response: then the connection handles nothing else until the
//! response is there, as Kafka does for all requests. Called by `net`; calls everything below.

mod answer;
mod config_change;
mod config_resource;
mod context;
mod dispatch;
mod error;
mod group_names;
mod log_dir_path;
mod offline_partitions;
mod table;
mod transaction_check;
mod turn;
mod txn_error;

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod alter_configs;
mod alter_replica_log_dirs;
mod api_versions;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_topic_partitions;
mod describe_transactions;
mod end_txn;
mod fetch;
mod find_coordinator;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_transactions;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod sync_group;
mod txn_offset_commit;
mod update_features;
mod write_txn_markers;

pub(crate) use answer::{Answer, NOT_ENCODABLE, Reply, Response};
pub(crate) use context::{ConnectionContext, RequestContext};
pub(crate) use dispatch::dispatch;
pub(crate) use fetch::FetchSessions;
pub(crate) use produce::Produced;
pub(crate) use table::is_pipelined;
pub(crate) use turn::Turn;
