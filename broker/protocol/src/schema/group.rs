//! Shapes of the requests to the group coordinator.
//!
//! One line per field of Kafka 4.1's message definitions, with the versions that have it.

use super::{Shape, array, bytes, flexible, i8, i32, i32s, i64, string, strings, uuid};
use crate::StrBytes;
use crate::messages::{
    GroupId, TopicName, consumer_group_heartbeat_request, join_group_request, leave_group_request,
    offset_commit_request, offset_delete_request, offset_fetch_request, sync_group_request,
};

pub(super) const OFFSET_COMMIT: Shape = flexible(
    8,
    &[
        string("group_id"),
        i32("generation_id_or_member_epoch"),
        string("member_id"),
        string("group_instance_id").from(7),
        i64("retention_time_ms").to(4),
        array::<offset_commit_request::OffsetCommitRequestTopic>(
            "topics",
            &[
                string("name"),
                array::<offset_commit_request::OffsetCommitRequestPartition>(
                    "partitions",
                    &[
                        i32("partition_index"),
                        i64("committed_offset"),
                        i32("committed_leader_epoch").from(6),
                        string("committed_metadata"),
                    ],
                ),
            ],
        ),
    ],
);

pub(super) const OFFSET_FETCH: Shape = flexible(
    6,
    &[
        string("group_id").to(7),
        array::<offset_fetch_request::OffsetFetchRequestTopic>(
            "topics",
            &[string("name").to(7), i32s("partition_indexes").to(7)],
        )
        .to(7),
        array::<offset_fetch_request::OffsetFetchRequestGroup>(
            "groups",
            &[
                string("group_id").from(8),
                string("member_id").from(9),
                i32("member_epoch").from(9),
                array::<offset_fetch_request::OffsetFetchRequestTopics>(
                    "topics",
                    &[string("name").from(8), i32s("partition_indexes").from(8)],
                )
                .from(8),
            ],
        )
        .from(8),
        i8("require_stable").from(7),
    ],
);

pub(super) const OFFSET_DELETE: Shape = flexible(
    i16::MAX,
    &[
        string("group_id"),
        array::<offset_delete_request::OffsetDeleteRequestTopic>(
            "topics",
            &[
                string("name"),
                array::<offset_delete_request::OffsetDeleteRequestPartition>(
                    "partitions",
                    &[i32("partition_index")],
                ),
            ],
        ),
    ],
);

pub(super) const FIND_COORDINATOR: Shape = flexible(
    3,
    &[
        string("key").to(3),
        i8("key_type").from(1),
        strings::<StrBytes>("coordinator_keys").from(4),
    ],
);

pub(super) const JOIN_GROUP: Shape = flexible(
    6,
    &[
        string("group_id"),
        i32("session_timeout_ms"),
        i32("rebalance_timeout_ms").from(1),
        string("member_id"),
        string("group_instance_id").from(5),
        string("protocol_type"),
        array::<join_group_request::JoinGroupRequestProtocol>(
            "protocols",
            &[string("name"), bytes("metadata")],
        ),
        string("reason").from(8),
    ],
);

pub(super) const SYNC_GROUP: Shape = flexible(
    4,
    &[
        string("group_id"),
        i32("generation_id"),
        string("member_id"),
        string("group_instance_id").from(3),
        string("protocol_type").from(5),
        string("protocol_name").from(5),
        array::<sync_group_request::SyncGroupRequestAssignment>(
            "assignments",
            &[string("member_id"), bytes("assignment")],
        ),
    ],
);

pub(super) const HEARTBEAT: Shape = flexible(
    4,
    &[
        string("group_id"),
        i32("generation_id"),
        string("member_id"),
        string("group_instance_id").from(3),
    ],
);

pub(super) const LEAVE_GROUP: Shape = flexible(
    4,
    &[
        string("group_id"),
        string("member_id").to(2),
        array::<leave_group_request::MemberIdentity>(
            "members",
            &[
                string("member_id").from(3),
                string("group_instance_id").from(3),
                string("reason").from(5),
            ],
        )
        .from(3),
    ],
);

pub(super) const DESCRIBE_GROUPS: Shape = flexible(
    5,
    &[
        strings::<GroupId>("groups"),
        i8("include_authorized_operations").from(3),
    ],
);

pub(super) const LIST_GROUPS: Shape = flexible(
    3,
    &[
        strings::<StrBytes>("states_filter").from(4),
        strings::<StrBytes>("types_filter").from(5),
    ],
);

pub(super) const DELETE_GROUPS: Shape = flexible(2, &[strings::<GroupId>("groups_names")]);

pub(super) const CONSUMER_GROUP_HEARTBEAT: Shape = flexible(
    0,
    &[
        string("group_id"),
        string("member_id"),
        i32("member_epoch"),
        string("instance_id"),
        string("rack_id"),
        i32("rebalance_timeout_ms"),
        strings::<TopicName>("subscribed_topic_names"),
        string("subscribed_topic_regex").from(1),
        string("server_assignor"),
        array::<consumer_group_heartbeat_request::TopicPartitions>(
            "topic_partitions",
            &[uuid("topic_id"), i32s("partitions")],
        ),
    ],
);

pub(super) const CONSUMER_GROUP_DESCRIBE: Shape = flexible(
    0,
    &[
        strings::<GroupId>("group_ids"),
        i8("include_authorized_operations"),
    ],
);
