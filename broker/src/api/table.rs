//! The table: the handler of every API. Versions are in `ringbrook_protocol::API_VERSIONS`.

use ringbrook_protocol::{ApiKey, ProtocolError, served_versions};

use super::dispatch::{Handler, answer, respond};
use super::*;

/// A served API.
pub(super) struct Entry {
    pub(super) key: ApiKey,
    /// Whether requests behind it may be handled while its answer is awaited.
    pub(super) is_pipelined: bool,
    pub(super) handle: Handler,
}

const fn api(key: ApiKey, handle: Handler) -> Entry {
    Entry {
        key,
        is_pipelined: false,
        handle,
    }
}

/// Every API, by key.
pub(super) static TABLE: &[Entry] = &[
    Entry {
        key: ApiKey::Produce,
        is_pipelined: true,
        handle: produce::handle,
    },
    api(ApiKey::Fetch, |ctx, body| respond(ctx, body, fetch::handle)),
    api(ApiKey::ListOffsets, |ctx, body| {
        answer(ctx, body, list_offsets::handle)
    }),
    api(ApiKey::Metadata, |ctx, body| {
        answer(ctx, body, metadata::handle)
    }),
    api(ApiKey::OffsetCommit, |ctx, body| {
        answer(ctx, body, offset_commit::handle)
    }),
    api(ApiKey::OffsetFetch, |ctx, body| {
        answer(ctx, body, offset_fetch::handle)
    }),
    api(ApiKey::FindCoordinator, |ctx, body| {
        answer(ctx, body, find_coordinator::handle)
    }),
    api(ApiKey::JoinGroup, |ctx, body| {
        answer(ctx, body, join_group::handle)
    }),
    api(ApiKey::Heartbeat, |ctx, body| {
        answer(ctx, body, heartbeat::handle)
    }),
    api(ApiKey::LeaveGroup, |ctx, body| {
        answer(ctx, body, leave_group::handle)
    }),
    api(ApiKey::SyncGroup, |ctx, body| {
        answer(ctx, body, sync_group::handle)
    }),
    api(ApiKey::DescribeGroups, |ctx, body| {
        answer(ctx, body, describe_groups::handle)
    }),
    api(ApiKey::ListGroups, |ctx, body| {
        answer(ctx, body, list_groups::handle)
    }),
    api(ApiKey::ApiVersions, |ctx, body| {
        answer(ctx, body, api_versions::handle)
    }),
    api(ApiKey::CreateTopics, |ctx, body| {
        answer(ctx, body, create_topics::handle)
    }),
    api(ApiKey::DeleteTopics, |ctx, body| {
        answer(ctx, body, delete_topics::handle)
    }),
    api(ApiKey::DeleteRecords, |ctx, body| {
        answer(ctx, body, delete_records::handle)
    }),
    api(ApiKey::InitProducerId, |ctx, body| {
        answer(ctx, body, init_producer_id::handle)
    }),
    api(ApiKey::OffsetForLeaderEpoch, |ctx, body| {
        answer(ctx, body, offset_for_leader_epoch::handle)
    }),
    api(ApiKey::AddPartitionsToTxn, |ctx, body| {
        answer(ctx, body, add_partitions_to_txn::handle)
    }),
    api(ApiKey::AddOffsetsToTxn, |ctx, body| {
        answer(ctx, body, add_offsets_to_txn::handle)
    }),
    api(ApiKey::EndTxn, |ctx, body| {
        answer(ctx, body, end_txn::handle)
    }),
    api(ApiKey::WriteTxnMarkers, |ctx, body| {
        answer(ctx, body, write_txn_markers::handle)
    }),
    api(ApiKey::TxnOffsetCommit, |ctx, body| {
        answer(ctx, body, txn_offset_commit::handle)
    }),
    api(ApiKey::DescribeConfigs, |ctx, body| {
        answer(ctx, body, describe_configs::handle)
    }),
    api(ApiKey::AlterConfigs, |ctx, body| {
        answer(ctx, body, alter_configs::handle)
    }),
    api(ApiKey::AlterReplicaLogDirs, |ctx, body| {
        answer(ctx, body, alter_replica_log_dirs::handle)
    }),
    api(ApiKey::DescribeLogDirs, |ctx, body| {
        answer(ctx, body, describe_log_dirs::handle)
    }),
    api(ApiKey::CreatePartitions, |ctx, body| {
        answer(ctx, body, create_partitions::handle)
    }),
    api(ApiKey::DeleteGroups, |ctx, body| {
        answer(ctx, body, delete_groups::handle)
    }),
    api(ApiKey::IncrementalAlterConfigs, |ctx, body| {
        answer(ctx, body, incremental_alter_configs::handle)
    }),
    api(ApiKey::OffsetDelete, |ctx, body| {
        answer(ctx, body, offset_delete::handle)
    }),
    api(ApiKey::UpdateFeatures, |ctx, body| {
        answer(ctx, body, update_features::handle)
    }),
    api(ApiKey::DescribeCluster, |ctx, body| {
        answer(ctx, body, describe_cluster::handle)
    }),
    api(ApiKey::DescribeProducers, |ctx, body| {
        answer(ctx, body, describe_producers::handle)
    }),
    api(ApiKey::DescribeTransactions, |ctx, body| {
        answer(ctx, body, describe_transactions::handle)
    }),
    api(ApiKey::ListTransactions, |ctx, body| {
        answer(ctx, body, list_transactions::handle)
    }),
    api(ApiKey::ConsumerGroupHeartbeat, |ctx, body| {
        answer(ctx, body, consumer_group_heartbeat::handle)
    }),
    api(ApiKey::ConsumerGroupDescribe, |ctx, body| {
        answer(ctx, body, consumer_group_describe::handle)
    }),
    api(ApiKey::ListConfigResources, |ctx, body| {
        answer(ctx, body, list_config_resources::handle)
    }),
    api(ApiKey::DescribeTopicPartitions, |ctx, body| {
        answer(ctx, body, describe_topic_partitions::handle)
    }),
];

fn entry(api_key: i16) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.key as i16 == api_key)
}

/// Whether requests of this API may follow each other without waiting for answers.
pub(crate) fn is_pipelined(api_key: i16) -> bool {
    entry(api_key).is_some_and(|entry| entry.is_pipelined)
}

/// The entry of a request, if the API is served in that version.
pub(super) fn find(api_key: i16, api_version: i16) -> Result<&'static Entry, ProtocolError> {
    entry(api_key)
        .filter(|_| served_versions(api_key).is_some_and(|range| range.contains(api_version)))
        .ok_or(ProtocolError::VersionNotServed {
            api_key,
            api_version,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringbrook_protocol::API_VERSIONS;

    #[test]
    fn every_advertised_api_has_a_handler_and_the_other_way_round() {
        let handled: Vec<i16> = TABLE.iter().map(|entry| entry.key as i16).collect();
        let advertised: Vec<i16> = API_VERSIONS.iter().map(|range| range.key as i16).collect();
        assert_eq!(handled, advertised);
    }

    #[test]
    fn apis_md_lists_what_is_served() {
        let document = include_str!("../../APIS.md");
        for range in API_VERSIONS {
            let row = format!(
                "| {} | {} | {}-{} |",
                range.key as i16, range.name, range.min, range.max
            );
            assert!(document.contains(&row), "APIS.md lacks the row {row}");
        }
        let rows = document
            .lines()
            .filter(|line| line.starts_with("| ") && line.contains('-'));
        let rows = rows
            .filter(|line| line[2..].starts_with(|c: char| c.is_ascii_digit()))
            .count();
        assert_eq!(
            rows,
            API_VERSIONS.len(),
            "APIS.md lists an API that is not served"
        );
    }
}
