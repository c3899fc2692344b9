//! Shapes of the responses of share groups.
//!
//! One line per field of Kafka 4.1's message definitions, with the versions that have it.

use super::super::{
    Shape, array, flexible, i16, i32, i32s, i64, option, string, strings, structure, uuid,
};
use crate::StrBytes;
use crate::messages::{
    alter_share_group_offsets_response as alter_offsets_response,
    delete_share_group_offsets_response as delete_offsets_response,
    describe_share_group_offsets_response as describe_offsets_response,
    share_group_describe_response, share_group_heartbeat_response,
};

pub(super) const SHARE_GROUP_HEARTBEAT: Shape = flexible(
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
            &[array::<share_group_heartbeat_response::TopicPartitions>(
                "topic_partitions",
                &[uuid("topic_id"), i32s("partitions")],
            )],
        ),
    ],
);

pub(super) const SHARE_GROUP_DESCRIBE: Shape = flexible(
    0,
    &[
        i32("throttle_time_ms"),
        array::<share_group_describe_response::DescribedGroup>(
            "groups",
            &[
                i16("error_code"),
                string("error_message"),
                string("group_id"),
                string("group_state"),
                i32("group_epoch"),
                i32("assignment_epoch"),
                string("assignor_name"),
                array::<share_group_describe_response::Member>(
                    "members",
                    &[
                        string("member_id"),
                        string("rack_id"),
                        i32("member_epoch"),
                        string("client_id"),
                        string("client_host"),
                        strings::<StrBytes>("subscribed_topic_names"),
                        structure(
                            "assignment",
                            &[array::<share_group_describe_response::TopicPartitions>(
                                "topic_partitions",
                                &[uuid("topic_id"), string("topic_name"), i32s("partitions")],
                            )],
                        ),
                    ],
                ),
                i32("authorized_operations"),
            ],
        ),
    ],
);

pub(super) const DESCRIBE_SHARE_GROUP_OFFSETS: Shape = flexible(
    0,
    &[
        i32("throttle_time_ms"),
        array::<describe_offsets_response::DescribeShareGroupOffsetsResponseGroup>(
            "groups",
            &[
                string("group_id"),
                array::<describe_offsets_response::DescribeShareGroupOffsetsResponseTopic>(
                    "topics",
                    &[
                        string("topic_name"),
                        uuid("topic_id"),
                        array::<
                            describe_offsets_response::DescribeShareGroupOffsetsResponsePartition,
                        >(
                            "partitions",
                            &[
                                i32("partition_index"),
                                i64("start_offset"),
                                i32("leader_epoch"),
                                i16("error_code"),
                                string("error_message"),
                            ],
                        ),
                    ],
                ),
                i16("error_code"),
                string("error_message"),
            ],
        ),
    ],
);

pub(super) const ALTER_SHARE_GROUP_OFFSETS: Shape = flexible(
    0,
    &[
        i32("throttle_time_ms"),
        i16("error_code"),
        string("error_message"),
        array::<alter_offsets_response::AlterShareGroupOffsetsResponseTopic>(
            "responses",
            &[
                string("topic_name"),
                uuid("topic_id"),
                array::<alter_offsets_response::AlterShareGroupOffsetsResponsePartition>(
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

pub(super) const DELETE_SHARE_GROUP_OFFSETS: Shape = flexible(
    0,
    &[
        i32("throttle_time_ms"),
        i16("error_code"),
        string("error_message"),
        array::<delete_offsets_response::DeleteShareGroupOffsetsResponseTopic>(
            "responses",
            &[
                string("topic_name"),
                uuid("topic_id"),
                i16("error_code"),
                string("error_message"),
            ],
        ),
    ],
);
