//! Shapes of the responses of the cluster: versions, features, quorum.
//!
//! One line per field of Kafka 4.1's message definitions, with the versions that have it.

use super::super::{Shape, array, flexible, i8, i16, i32, i64, string, uuid};
use crate::messages::{
    api_versions_response, describe_cluster_response, describe_quorum_response,
    update_features_response,
};

pub(super) const API_VERSIONS: Shape = flexible(
    3,
    &[
        i16("error_code"),
        array::<api_versions_response::ApiVersion>(
            "api_keys",
            &[i16("api_key"), i16("min_version"), i16("max_version")],
        ),
        i32("throttle_time_ms").from(1),
        array::<api_versions_response::SupportedFeatureKey>(
            "supported_features",
            &[string("name"), i16("min_version"), i16("max_version")],
        )
        .from(3)
        .tag(0),
        i64("finalized_features_epoch").from(3).tag(1),
        array::<api_versions_response::FinalizedFeatureKey>(
            "finalized_features",
            &[
                string("name"),
                i16("max_version_level"),
                i16("min_version_level"),
            ],
        )
        .from(3)
        .tag(2),
        i8("zk_migration_ready").from(3).tag(3),
    ],
);

pub(super) const DESCRIBE_CLUSTER: Shape = flexible(
    0,
    &[
        i32("throttle_time_ms"),
        i16("error_code"),
        string("error_message"),
        i8("endpoint_type").from(1),
        string("cluster_id"),
        i32("controller_id"),
        array::<describe_cluster_response::DescribeClusterBroker>(
            "brokers",
            &[
                i32("broker_id"),
                string("host"),
                i32("port"),
                string("rack"),
                i8("is_fenced").from(2),
            ],
        ),
        i32("cluster_authorized_operations"),
    ],
);

pub(super) const DESCRIBE_QUORUM: Shape = flexible(
    0,
    &[
        i16("error_code"),
        string("error_message").from(2),
        array::<describe_quorum_response::TopicData>(
            "topics",
            &[
                string("topic_name"),
                array::<describe_quorum_response::PartitionData>(
                    "partitions",
                    &[
                        i32("partition_index"),
                        i16("error_code"),
                        string("error_message").from(2),
                        i32("leader_id"),
                        i32("leader_epoch"),
                        i64("high_watermark"),
                        array::<describe_quorum_response::ReplicaState>(
                            "current_voters",
                            &[
                                i32("replica_id"),
                                uuid("replica_directory_id").from(2),
                                i64("log_end_offset"),
                                i64("last_fetch_timestamp").from(1),
                                i64("last_caught_up_timestamp").from(1),
                            ],
                        ),
                        array::<describe_quorum_response::ReplicaState>(
                            "observers",
                            &[
                                i32("replica_id"),
                                uuid("replica_directory_id").from(2),
                                i64("log_end_offset"),
                                i64("last_fetch_timestamp").from(1),
                                i64("last_caught_up_timestamp").from(1),
                            ],
                        ),
                    ],
                ),
            ],
        ),
        array::<describe_quorum_response::Node>(
            "nodes",
            &[
                i32("node_id"),
                array::<describe_quorum_response::Listener>(
                    "listeners",
                    &[string("name"), string("host"), i16("port")],
                ),
            ],
        )
        .from(2),
    ],
);

pub(super) const UNREGISTER_BROKER: Shape = flexible(
    0,
    &[
        i32("throttle_time_ms"),
        i16("error_code"),
        string("error_message"),
    ],
);

pub(super) const UPDATE_FEATURES: Shape = flexible(
    0,
    &[
        i32("throttle_time_ms"),
        i16("error_code"),
        string("error_message"),
        array::<update_features_response::UpdatableFeatureResult>(
            "results",
            &[
                string("feature"),
                i16("error_code"),
                string("error_message"),
            ],
        )
        .to(1),
    ],
);

pub(super) const ADD_RAFT_VOTER: Shape = flexible(
    0,
    &[
        i32("throttle_time_ms"),
        i16("error_code"),
        string("error_message"),
    ],
);

pub(super) const REMOVE_RAFT_VOTER: Shape = flexible(
    0,
    &[
        i32("throttle_time_ms"),
        i16("error_code"),
        string("error_message"),
    ],
);
