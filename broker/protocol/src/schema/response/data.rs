//! Shapes of the responses of the data road: produce, fetch, offsets, producer ids.
//!
//! One line per field of Kafka 4.1's message definitions, with the versions that have it.

use super::super::{Shape, array, bytes, flexible, i16, i32, i64, string, structure, uuid};
use crate::messages::{
    delete_records_response, fetch_response, list_offsets_response,
    offset_for_leader_epoch_response, produce_response,
};

pub(super) const PRODUCE: Shape = flexible(
    9,
    &[
        array::<produce_response::TopicProduceResponse>(
            "responses",
            &[
                string("name").to(12),
                uuid("topic_id").from(13),
                array::<produce_response::PartitionProduceResponse>(
                    "partition_responses",
                    &[
                        i32("index"),
                        i16("error_code"),
                        i64("base_offset"),
                        i64("log_append_time_ms").from(2),
                        i64("log_start_offset").from(5),
                        array::<produce_response::BatchIndexAndErrorMessage>(
                            "record_errors",
                            &[i32("batch_index"), string("batch_index_error_message")],
                        )
                        .from(8),
                        string("error_message").from(8),
                        structure("current_leader", &[i32("leader_id"), i32("leader_epoch")])
                            .from(10)
                            .tag(0),
                    ],
                ),
            ],
        ),
        i32("throttle_time_ms"),
        array::<produce_response::NodeEndpoint>(
            "node_endpoints",
            &[i32("node_id"), string("host"), i32("port"), string("rack")],
        )
        .from(10)
        .tag(0),
    ],
);

pub(super) const FETCH: Shape = flexible(
    12,
    &[
        i32("throttle_time_ms"),
        i16("error_code").from(7),
        i32("session_id").from(7),
        array::<fetch_response::FetchableTopicResponse>(
            "responses",
            &[
                string("topic").to(12),
                uuid("topic_id").from(13),
                array::<fetch_response::PartitionData>(
                    "partitions",
                    &[
                        i32("partition_index"),
                        i16("error_code"),
                        i64("high_watermark"),
                        i64("last_stable_offset").from(4),
                        i64("log_start_offset").from(5),
                        structure("diverging_epoch", &[i32("epoch"), i64("end_offset")])
                            .from(12)
                            .tag(0),
                        structure("current_leader", &[i32("leader_id"), i32("leader_epoch")])
                            .from(12)
                            .tag(1),
                        structure("snapshot_id", &[i64("end_offset"), i32("epoch")])
                            .from(12)
                            .tag(2),
                        array::<fetch_response::AbortedTransaction>(
                            "aborted_transactions",
                            &[i64("producer_id"), i64("first_offset")],
                        )
                        .from(4),
                        i32("preferred_read_replica").from(11),
                        bytes("records"),
                    ],
                ),
            ],
        ),
        array::<fetch_response::NodeEndpoint>(
            "node_endpoints",
            &[i32("node_id"), string("host"), i32("port"), string("rack")],
        )
        .from(16)
        .tag(0),
    ],
);

pub(super) const LIST_OFFSETS: Shape = flexible(
    6,
    &[
        i32("throttle_time_ms").from(2),
        array::<list_offsets_response::ListOffsetsTopicResponse>(
            "topics",
            &[
                string("name"),
                array::<list_offsets_response::ListOffsetsPartitionResponse>(
                    "partitions",
                    &[
                        i32("partition_index"),
                        i16("error_code"),
                        i64("timestamp").from(1),
                        i64("offset").from(1),
                        i32("leader_epoch").from(4),
                    ],
                ),
            ],
        ),
    ],
);

pub(super) const DELETE_RECORDS: Shape = flexible(
    2,
    &[
        i32("throttle_time_ms"),
        array::<delete_records_response::DeleteRecordsTopicResult>(
            "topics",
            &[
                string("name"),
                array::<delete_records_response::DeleteRecordsPartitionResult>(
                    "partitions",
                    &[
                        i32("partition_index"),
                        i64("low_watermark"),
                        i16("error_code"),
                    ],
                ),
            ],
        ),
    ],
);

pub(super) const OFFSET_FOR_LEADER_EPOCH: Shape = flexible(
    4,
    &[
        i32("throttle_time_ms"),
        array::<offset_for_leader_epoch_response::OffsetForLeaderTopicResult>(
            "topics",
            &[
                string("topic"),
                array::<offset_for_leader_epoch_response::EpochEndOffset>(
                    "partitions",
                    &[
                        i16("error_code"),
                        i32("partition"),
                        i32("leader_epoch").from(1),
                        i64("end_offset"),
                    ],
                ),
            ],
        ),
    ],
);

pub(super) const INIT_PRODUCER_ID: Shape = flexible(
    2,
    &[
        i32("throttle_time_ms"),
        i16("error_code"),
        i64("producer_id"),
        i16("producer_epoch"),
        i64("ongoing_txn_producer_id").from(6),
        i16("ongoing_txn_producer_epoch").from(6),
    ],
);
