//! Shapes of the requests on the data road: produce, fetch, offsets, producer ids.
//!
//! One line per field of Kafka 4.1's message definitions, with the versions that have it.

use super::{Field, Kind, Shape, array, bytes, flexible, i8, i16, i32, i32s, i64, string, uuid};
use crate::messages::{
    delete_records_request, fetch_request, list_offsets_request, offset_for_leader_epoch_request,
    produce_request,
};

pub(super) const PRODUCE: Shape = flexible(
    9,
    &[
        string("transactional_id"),
        i16("acks"),
        i32("timeout_ms"),
        array::<produce_request::TopicProduceData>(
            "topic_data",
            &[
                string("name").to(12),
                uuid("topic_id").from(13),
                array::<produce_request::PartitionProduceData>(
                    "partition_data",
                    &[i32("index"), bytes("records")],
                ),
            ],
        ),
    ],
);

pub(super) const FETCH: Shape = flexible(
    12,
    &[
        i32("replica_id").to(14),
        i32("max_wait_ms"),
        i32("min_bytes"),
        i32("max_bytes"),
        i8("isolation_level"),
        i32("session_id").from(7),
        i32("session_epoch").from(7),
        array::<fetch_request::FetchTopic>(
            "topics",
            &[
                string("topic").to(12),
                uuid("topic_id").from(13),
                array::<fetch_request::FetchPartition>(
                    "partitions",
                    &[
                        i32("partition"),
                        i32("current_leader_epoch").from(9),
                        i64("fetch_offset"),
                        i32("last_fetched_epoch").from(12),
                        i64("log_start_offset").from(5),
                        i32("partition_max_bytes"),
                        uuid("replica_directory_id").from(17).tag(0),
                        i64("high_watermark").from(18).tag(1),
                    ],
                ),
            ],
        ),
        array::<fetch_request::ForgottenTopic>(
            "forgotten_topics_data",
            &[
                string("topic").from(7).to(12),
                uuid("topic_id").from(13),
                i32s("partitions").from(7),
            ],
        )
        .from(7),
        string("rack_id").from(11),
        string("cluster_id").tag(0),
        Field::new(
            "replica_state",
            Kind::Structure(&[i32("replica_id").from(15), i64("replica_epoch").from(15)]),
        )
        .from(15)
        .tag(1),
    ],
);

pub(super) const LIST_OFFSETS: Shape = flexible(
    6,
    &[
        i32("replica_id"),
        i8("isolation_level").from(2),
        array::<list_offsets_request::ListOffsetsTopic>(
            "topics",
            &[
                string("name"),
                array::<list_offsets_request::ListOffsetsPartition>(
                    "partitions",
                    &[
                        i32("partition_index"),
                        i32("current_leader_epoch").from(4),
                        i64("timestamp"),
                    ],
                ),
            ],
        ),
        i32("timeout_ms").from(10),
    ],
);

pub(super) const DELETE_RECORDS: Shape = flexible(
    2,
    &[
        array::<delete_records_request::DeleteRecordsTopic>(
            "topics",
            &[
                string("name"),
                array::<delete_records_request::DeleteRecordsPartition>(
                    "partitions",
                    &[i32("partition_index"), i64("offset")],
                ),
            ],
        ),
        i32("timeout_ms"),
    ],
);

pub(super) const INIT_PRODUCER_ID: Shape = flexible(
    2,
    &[
        string("transactional_id"),
        i32("transaction_timeout_ms"),
        i64("producer_id").from(3),
        i16("producer_epoch").from(3),
    ],
);

pub(super) const OFFSET_FOR_LEADER_EPOCH: Shape = flexible(
    4,
    &[
        i32("replica_id").from(3),
        array::<offset_for_leader_epoch_request::OffsetForLeaderTopic>(
            "topics",
            &[
                string("topic"),
                array::<offset_for_leader_epoch_request::OffsetForLeaderPartition>(
                    "partitions",
                    &[
                        i32("partition"),
                        i32("current_leader_epoch"),
                        i32("leader_epoch"),
                    ],
                ),
            ],
        ),
    ],
);
