//! Shapes of the responses of topics: metadata, replicas, log dirs.
//!
//! One line per field of Kafka 4.1's message definitions, with the versions that have it.

use super::super::{Shape, array, flexible, i8, i16, i32, i32s, i64, option, string, uuid};
use crate::messages::{
    alter_partition_reassignments_response, alter_replica_log_dirs_response,
    create_partitions_response, create_topics_response, delete_topics_response,
    describe_log_dirs_response, describe_topic_partitions_response as describe_partitions_response,
    elect_leaders_response, list_partition_reassignments_response, metadata_response,
};

pub(super) const METADATA: Shape = flexible(
    9,
    &[
        i32("throttle_time_ms").from(3),
        array::<metadata_response::MetadataResponseBroker>(
            "brokers",
            &[
                i32("node_id"),
                string("host"),
                i32("port"),
                string("rack").from(1),
            ],
        ),
        string("cluster_id").from(2),
        i32("controller_id").from(1),
        array::<metadata_response::MetadataResponseTopic>(
            "topics",
            &[
                i16("error_code"),
                string("name"),
                uuid("topic_id").from(10),
                i8("is_internal").from(1),
                array::<metadata_response::MetadataResponsePartition>(
                    "partitions",
                    &[
                        i16("error_code"),
                        i32("partition_index"),
                        i32("leader_id"),
                        i32("leader_epoch").from(7),
                        i32s("replica_nodes"),
                        i32s("isr_nodes"),
                        i32s("offline_replicas").from(5),
                    ],
                ),
                i32("topic_authorized_operations").from(8),
            ],
        ),
        i32("cluster_authorized_operations").from(8).to(10),
        i16("error_code").from(13),
    ],
);

pub(super) const CREATE_TOPICS: Shape = flexible(
    5,
    &[
        i32("throttle_time_ms"),
        array::<create_topics_response::CreatableTopicResult>(
            "topics",
            &[
                string("name"),
                uuid("topic_id").from(7),
                i16("error_code"),
                string("error_message").from(1),
                i16("topic_config_error_code").from(5).tag(0),
                i32("num_partitions").from(5),
                i16("replication_factor").from(5),
                array::<create_topics_response::CreatableTopicConfigs>(
                    "configs",
                    &[
                        string("name"),
                        string("value"),
                        i8("read_only"),
                        i8("config_source"),
                        i8("is_sensitive"),
                    ],
                )
                .from(5),
            ],
        ),
    ],
);

pub(super) const DELETE_TOPICS: Shape = flexible(
    4,
    &[
        i32("throttle_time_ms"),
        array::<delete_topics_response::DeletableTopicResult>(
            "responses",
            &[
                string("name"),
                uuid("topic_id").from(6),
                i16("error_code"),
                string("error_message").from(5),
            ],
        ),
    ],
);

pub(super) const CREATE_PARTITIONS: Shape = flexible(
    2,
    &[
        i32("throttle_time_ms"),
        array::<create_partitions_response::CreatePartitionsTopicResult>(
            "results",
            &[string("name"), i16("error_code"), string("error_message")],
        ),
    ],
);

pub(super) const DESCRIBE_TOPIC_PARTITIONS: Shape = flexible(
    0,
    &[
        i32("throttle_time_ms"),
        array::<describe_partitions_response::DescribeTopicPartitionsResponseTopic>(
            "topics",
            &[
                i16("error_code"),
                string("name"),
                uuid("topic_id"),
                i8("is_internal"),
                array::<describe_partitions_response::DescribeTopicPartitionsResponsePartition>(
                    "partitions",
                    &[
                        i16("error_code"),
                        i32("partition_index"),
                        i32("leader_id"),
                        i32("leader_epoch"),
                        i32s("replica_nodes"),
                        i32s("isr_nodes"),
                        i32s("eligible_leader_replicas"),
                        i32s("last_known_elr"),
                        i32s("offline_replicas"),
                    ],
                ),
                i32("topic_authorized_operations"),
            ],
        ),
        option(
            "next_cursor",
            &[string("topic_name"), i32("partition_index")],
        ),
    ],
);

pub(super) const ELECT_LEADERS: Shape = flexible(
    2,
    &[
        i32("throttle_time_ms"),
        i16("error_code").from(1),
        array::<elect_leaders_response::ReplicaElectionResult>(
            "replica_election_results",
            &[
                string("topic"),
                array::<elect_leaders_response::PartitionResult>(
                    "partition_result",
                    &[
                        i32("partition_id"),
                        i16("error_code"),
                        string("error_message"),
                    ],
                ),
            ],
        ),
    ],
);

pub(super) const ALTER_PARTITION_REASSIGNMENTS: Shape = flexible(
    0,
    &[
        i32("throttle_time_ms"),
        i8("allow_replication_factor_change").from(1),
        i16("error_code"),
        string("error_message"),
        array::<alter_partition_reassignments_response::ReassignableTopicResponse>(
            "responses",
            &[
                string("name"),
                array::<alter_partition_reassignments_response::ReassignablePartitionResponse>(
                    "partitions",
                    &[
                        i32("partition_index"),
                        i16("error_code"),
                        string("error_message"),
                    ],
                ),
            ],
        ),
    ],
);

pub(super) const LIST_PARTITION_REASSIGNMENTS: Shape = flexible(
    0,
    &[
        i32("throttle_time_ms"),
        i16("error_code"),
        string("error_message"),
        array::<list_partition_reassignments_response::OngoingTopicReassignment>(
            "topics",
            &[
                string("name"),
                array::<list_partition_reassignments_response::OngoingPartitionReassignment>(
                    "partitions",
                    &[
                        i32("partition_index"),
                        i32s("replicas"),
                        i32s("adding_replicas"),
                        i32s("removing_replicas"),
                    ],
                ),
            ],
        ),
    ],
);

pub(super) const ALTER_REPLICA_LOG_DIRS: Shape = flexible(
    2,
    &[
        i32("throttle_time_ms"),
        array::<alter_replica_log_dirs_response::AlterReplicaLogDirTopicResult>(
            "results",
            &[
                string("topic_name"),
                array::<alter_replica_log_dirs_response::AlterReplicaLogDirPartitionResult>(
                    "partitions",
                    &[i32("partition_index"), i16("error_code")],
                ),
            ],
        ),
    ],
);

pub(super) const DESCRIBE_LOG_DIRS: Shape = flexible(
    2,
    &[
        i32("throttle_time_ms"),
        i16("error_code").from(3),
        array::<describe_log_dirs_response::DescribeLogDirsResult>(
            "results",
            &[
                i16("error_code"),
                string("log_dir"),
                array::<describe_log_dirs_response::DescribeLogDirsTopic>(
                    "topics",
                    &[
                        string("name"),
                        array::<describe_log_dirs_response::DescribeLogDirsPartition>(
                            "partitions",
                            &[
                                i32("partition_index"),
                                i64("partition_size"),
                                i64("offset_lag"),
                                i8("is_future_key"),
                            ],
                        ),
                    ],
                ),
                i64("total_bytes").from(4),
                i64("usable_bytes").from(4),
            ],
        ),
    ],
);
