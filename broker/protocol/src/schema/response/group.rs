//! Shapes of the responses of group coordinators.
//!
//! One line per field of Kafka 4.1's message definitions, with the versions that have it.

use super::super::{
    Shape, array, bytes, flexible, i8, i16, i32, i32s, i64, option, string, strings, structure,
    uuid,
};
use crate::StrBytes;
use crate::messages::{
    consumer_group_describe_response, consumer_group_heartbeat_response, delete_groups_response,
    describe_groups_response, find_coordinator_response, join_group_response, leave_group_response,
    list_groups_response, offset_commit_response, offset_delete_response, offset_fetch_response,
};

pub(super) const OFFSET_COMMIT: Shape = flexible(
    8,
    &[
        i32("throttle_time_ms").from(3),
        array::<offset_commit_response::OffsetCommitResponseTopic>(
            "topics",
            &[
                string("name").to(9),
                uuid("topic_id").from(10),
                array::<offset_commit_response::OffsetCommitResponsePartition>(
                    "partitions",
                    &[i32("partition_index"), i16("error_code")],
                ),
            ],
        ),
    ],
);

pub(super) const OFFSET_FETCH: Shape = flexible(
    6,
    &[
        i32("throttle_time_ms").from(3),
        array::<offset_fetch_response::OffsetFetchResponseTopic>(
            "topics",
            &[
                string("name").to(7),
                array::<offset_fetch_response::OffsetFetchResponsePartition>(
                    "partitions",
                    &[
                        i32("partition_index").to(7),
                        i64("committed_offset").to(7),
                        i32("committed_leader_epoch").from(5).to(7),
                        string("metadata").to(7),
                        i16("error_code").to(7),
                    ],
                )
                .to(7),
            ],
        )
        .to(7),
        i16("error_code").from(2).to(7),
        array::<offset_fetch_response::OffsetFetchResponseGroup>(
            "groups",
            &[
                string("group_id"),
                array::<offset_fetch_response::OffsetFetchResponseTopics>(
                    "topics",
                    &[
                        string("name").to(9),
                        uuid("topic_id").from(10),
                        array::<offset_fetch_response::OffsetFetchResponsePartitions>(
                            "partitions",
                            &[
                                i32("partition_index"),
                                i64("committed_offset"),
                                i32("committed_leader_epoch"),
                                string("metadata"),
                                i16("error_code"),
                            ],
                        ),
                    ],
                ),
                i16("error_code"),
            ],
        )
        .from(8),
    ],
);

pub(super) const FIND_COORDINATOR: Shape = flexible(
    3,
    &[
        i32("throttle_time_ms").from(1),
        i16("error_code").to(3),
        string("error_message").from(1).to(3),
        i32("node_id").to(3),
        string("host").to(3),
        i32("port").to(3),
        array::<find_coordinator_response::Coordinator>(
            "coordinators",
            &[
                string("key"),
                i32("node_id"),
                string("host"),
                i32("port"),
                i16("error_code"),
                string("error_message"),
            ],
        )
        .from(4),
    ],
);

pub(super) const JOIN_GROUP: Shape = flexible(
    6,
    &[
        i32("throttle_time_ms").from(2),
        i16("error_code"),
        i32("generation_id"),
        string("protocol_type").from(7),
        string("protocol_name"),
        string("leader"),
        i8("skip_assignment").from(9),
        string("member_id"),
        array::<join_group_response::JoinGroupResponseMember>(
            "members",
            &[
                string("member_id"),
                string("group_instance_id").from(5),
                bytes("metadata"),
            ],
        ),
    ],
);

pub(super) const HEARTBEAT: Shape =
    flexible(4, &[i32("throttle_time_ms").from(1), i16("error_code")]);

pub(super) const LEAVE_GROUP: Shape = flexible(
    4,
    &[
        i32("throttle_time_ms").from(1),
        i16("error_code"),
        array::<leave_group_response::MemberResponse>(
            "members",
            &[
                string("member_id"),
                string("group_instance_id"),
                i16("error_code"),
            ],
        )
        .from(3),
    ],
);

pub(super) const SYNC_GROUP: Shape = flexible(
    4,
    &[
        i32("throttle_time_ms").from(1),
        i16("error_code"),
        string("protocol_type").from(5),
        string("protocol_name").from(5),
        bytes("assignment"),
    ],
);

pub(super) const DESCRIBE_GROUPS: Shape = flexible(
    5,
    &[
        i32("throttle_time_ms").from(1),
        array::<describe_groups_response::DescribedGroup>(
            "groups",
            &[
                i16("error_code"),
                string("error_message").from(6),
                string("group_id"),
                string("group_state"),
                string("protocol_type"),
                string("protocol_data"),
                array::<describe_groups_response::DescribedGroupMember>(
                    "members",
                    &[
                        string("member_id"),
                        string("group_instance_id").from(4),
                        string("client_id"),
                        string("client_host"),
                        bytes("member_metadata"),
                        bytes("member_assignment"),
                    ],
                ),
                i32("authorized_operations").from(3),
            ],
        ),
    ],
);

pub(super) const LIST_GROUPS: Shape = flexible(
    3,
    &[
        i32("throttle_time_ms").from(1),
        i16("error_code"),
        array::<list_groups_response::ListedGroup>(
            "groups",
            &[
                string("group_id"),
                string("protocol_type"),
                string("group_state").from(4),
                string("group_type").from(5),
            ],
        ),
    ],
);

pub(super) const DELETE_GROUPS: Shape = flexible(
    2,
    &[
        i32("throttle_time_ms"),
        array::<delete_groups_response::DeletableGroupResult>(
            "results",
            &[string("group_id"), i16("error_code")],
        ),
    ],
);

pub(super) const OFFSET_DELETE: Shape = flexible(
    i16::MAX,
    &[
        i16("error_code"),
        i32("throttle_time_ms"),
        array::<offset_delete_response::OffsetDeleteResponseTopic>(
            "topics",
            &[
                string("name"),
                array::<offset_delete_response::OffsetDeleteResponsePartition>(
                    "partitions",
                    &[i32("partition_index"), i16("error_code")],
                ),
            ],
        ),
    ],
);

pub(super) const CONSUMER_GROUP_HEARTBEAT: Shape = flexible(
    0,
    &[
        i32("throttle_time_ms"),
        i16("error_code"),
        string("error_message"),
        string("member_id"),
        i32("member_epoch"),
        i32("heartbeat_interval_ms"),
        option(
            "assignment",
            &[array::<consumer_group_heartbeat_response::TopicPartitions>(
                "topic_partitions",
                &[uuid("topic_id"), i32s("partitions")],
            )],
        ),
    ],
);

pub(super) const CONSUMER_GROUP_DESCRIBE: Shape = flexible(
    0,
    &[
        i32("throttle_time_ms"),
        array::<consumer_group_describe_response::DescribedGroup>(
            "groups",
            &[
                i16("error_code"),
                string("error_message"),
                string("group_id"),
                string("group_state"),
                i32("group_epoch"),
                i32("assignment_epoch"),
                string("assignor_name"),
                array::<consumer_group_describe_response::Member>(
                    "members",
                    &[
                        string("member_id"),
                        string("instance_id"),
                        string("rack_id"),
                        i32("member_epoch"),
                        string("client_id"),
                        string("client_host"),
                        strings::<StrBytes>("subscribed_topic_names"),
                        string("subscribed_topic_regex"),
                        structure(
                            "assignment",
                            &[array::<consumer_group_describe_response::TopicPartitions>(
                                "topic_partitions",
                                &[uuid("topic_id"), string("topic_name"), i32s("partitions")],
                            )],
                        ),
                        structure(
                            "target_assignment",
                            &[array::<consumer_group_describe_response::TopicPartitions>(
                                "topic_partitions",
                                &[uuid("topic_id"), string("topic_name"), i32s("partitions")],
                            )],
                        ),
                        i8("member_type").from(1),
                    ],
                ),
                i32("authorized_operations"),
            ],
        ),
    ],
);
