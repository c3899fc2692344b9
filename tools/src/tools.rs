//! A module per tool, and the list of them.

pub mod acls;
pub mod broker_api_versions;
pub mod client_metrics;
pub mod cluster;
pub mod configs;
pub mod console_consumer;
pub mod console_producer;
pub mod consumer_groups;
pub mod consumer_perf_test;
pub mod delegation_tokens;
pub mod delete_records;
pub mod dump_log;
pub mod e2e_latency;
pub mod features;
pub mod get_offsets;
pub mod groups;
pub mod leader_election;
pub mod log_dirs;
pub mod metadata_quorum;
pub mod producer_perf_test;
pub mod reassign_partitions;
pub mod streams_application_reset;
pub mod topics;
pub mod transactions;
pub mod verifiable_consumer;
pub mod verifiable_producer;

use crate::frame::Tool;

/// All tools, as `rbk --help` shows them.
pub const ALL: &[Tool] = &[
    // One a line.
    topics::TOOL,
    configs::TOOL,
    broker_api_versions::TOOL,
    cluster::TOOL,
    delete_records::TOOL,
    dump_log::TOOL,
    features::TOOL,
    get_offsets::TOOL,
    acls::TOOL,
    client_metrics::TOOL,
    delegation_tokens::TOOL,
    leader_election::TOOL,
    metadata_quorum::TOOL,
    reassign_partitions::TOOL,
    log_dirs::TOOL,
    console_producer::TOOL,
    console_consumer::TOOL,
    consumer_groups::TOOL,
    groups::TOOL,
    transactions::TOOL,
    producer_perf_test::TOOL,
    consumer_perf_test::TOOL,
    e2e_latency::TOOL,
    verifiable_producer::TOOL,
    verifiable_consumer::TOOL,
    streams_application_reset::TOOL,
];
