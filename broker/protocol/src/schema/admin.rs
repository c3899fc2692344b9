//! Shapes of the requests about the cluster, topics and configs.
//!
//! One line per field of Kafka 4.1's message definitions, with the versions that have it.

use super::{Field, Kind, Shape, array, flexible, i8, i8s, i16, i32, i32s, string, strings, uuid};
use crate::StrBytes;
use crate::messages::{
    TopicName, alter_configs_request, alter_replica_log_dirs_request, create_partitions_request,
    create_topics_request, delete_topics_request, describe_configs_request,
    describe_log_dirs_request, describe_topic_partitions_request,
    incremental_alter_configs_request, metadata_request, update_features_request,
};

pub(super) const API_VERSIONS: Shape = flexible(
    3,
    &[
        string("client_software_name").from(3),
        string("client_software_version").from(3),
    ],
);

pub(super) const METADATA: Shape = flexible(
    9,
    &[
        array::<metadata_request::MetadataRequestTopic>(
            "topics",
            &[uuid("topic_id").from(10), string("name")],
        ),
        i8("allow_auto_topic_creation").from(4),
        i8("include_cluster_authorized_operations").from(8).to(10),
        i8("include_topic_authorized_operations").from(8),
    ],
);

pub(super) const UPDATE_FEATURES: Shape = flexible(
    0,
    &[
        i32("timeout_ms"),
        array::<update_features_request::FeatureUpdateKey>(
            "feature_updates",
            &[
                string("feature"),
                i16("max_version_level"),
                i8("allow_downgrade").to(0),
                i8("upgrade_type").from(1),
            ],
        ),
        i8("validate_only").from(1),
    ],
);

pub(super) const LIST_CONFIG_RESOURCES: Shape = flexible(0, &[i8s("resource_types").from(1)]);

pub(super) const DESCRIBE_CLUSTER: Shape = flexible(
    0,
    &[
        i8("include_cluster_authorized_operations"),
        i8("endpoint_type").from(1),
        i8("include_fenced_brokers").from(2),
    ],
);

pub(super) const DESCRIBE_TOPIC_PARTITIONS: Shape = flexible(
    0,
    &[
        array::<describe_topic_partitions_request::TopicRequest>("topics", &[string("name")]),
        i32("response_partition_limit"),
        Field::new(
            "cursor",
            Kind::Option(&[string("topic_name"), i32("partition_index")]),
        ),
    ],
);

pub(super) const CREATE_TOPICS: Shape = flexible(
    5,
    &[
        array::<create_topics_request::CreatableTopic>(
            "topics",
            &[
                string("name"),
                i32("num_partitions"),
                i16("replication_factor"),
                array::<create_topics_request::CreatableReplicaAssignment>(
                    "assignments",
                    &[i32("partition_index"), i32s("broker_ids")],
                ),
                array::<create_topics_request::CreatableTopicConfig>(
                    "configs",
                    &[string("name"), string("value")],
                ),
            ],
        ),
        i32("timeout_ms"),
        i8("validate_only"),
    ],
);

pub(super) const DELETE_TOPICS: Shape = flexible(
    4,
    &[
        array::<delete_topics_request::DeleteTopicState>(
            "topics",
            &[string("name").from(6), uuid("topic_id").from(6)],
        )
        .from(6),
        strings::<TopicName>("topic_names").to(5),
        i32("timeout_ms"),
    ],
);

pub(super) const CREATE_PARTITIONS: Shape = flexible(
    2,
    &[
        array::<create_partitions_request::CreatePartitionsTopic>(
            "topics",
            &[
                string("name"),
                i32("count"),
                array::<create_partitions_request::CreatePartitionsAssignment>(
                    "assignments",
                    &[i32s("broker_ids")],
                ),
            ],
        ),
        i32("timeout_ms"),
        i8("validate_only"),
    ],
);

pub(super) const DESCRIBE_CONFIGS: Shape = flexible(
    4,
    &[
        array::<describe_configs_request::DescribeConfigsResource>(
            "resources",
            &[
                i8("resource_type"),
                string("resource_name"),
                strings::<StrBytes>("configuration_keys"),
            ],
        ),
        i8("include_synonyms"),
        i8("include_documentation").from(3),
    ],
);

pub(super) const ALTER_CONFIGS: Shape = flexible(
    2,
    &[
        array::<alter_configs_request::AlterConfigsResource>(
            "resources",
            &[
                i8("resource_type"),
                string("resource_name"),
                array::<alter_configs_request::AlterableConfig>(
                    "configs",
                    &[string("name"), string("value")],
                ),
            ],
        ),
        i8("validate_only"),
    ],
);

pub(super) const INCREMENTAL_ALTER_CONFIGS: Shape = flexible(
    1,
    &[
        array::<incremental_alter_configs_request::AlterConfigsResource>(
            "resources",
            &[
                i8("resource_type"),
                string("resource_name"),
                array::<incremental_alter_configs_request::AlterableConfig>(
                    "configs",
                    &[string("name"), i8("config_operation"), string("value")],
                ),
            ],
        ),
        i8("validate_only"),
    ],
);

pub(super) const ALTER_REPLICA_LOG_DIRS: Shape = flexible(
    2,
    &[array::<alter_replica_log_dirs_request::AlterReplicaLogDir>(
        "dirs",
        &[
            string("path"),
            array::<alter_replica_log_dirs_request::AlterReplicaLogDirTopic>(
                "topics",
                &[string("name"), i32s("partitions")],
            ),
        ],
    )],
);

pub(super) const DESCRIBE_LOG_DIRS: Shape = flexible(
    2,
    &[array::<describe_log_dirs_request::DescribableLogDirTopic>(
        "topics",
        &[string("topic"), i32s("partitions")],
    )],
);
