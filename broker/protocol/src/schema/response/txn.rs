//! Shapes of the responses of transaction coordinators.
//!
//! One line per field of Kafka 4.1's message definitions, with the versions that have it.

use super::super::{Shape, array, flexible, i16, i32, i32s, i64, string, strings};
use crate::StrBytes;
use crate::messages::{
    add_partitions_to_txn_response, describe_producers_response, describe_transactions_response,
    list_transactions_response, txn_offset_commit_response, write_txn_markers_response,
};

pub(super) const ADD_PARTITIONS_TO_TXN: Shape = flexible(
    3,
    &[
        i32("throttle_time_ms"),
        i16("error_code").from(4),
        array::<add_partitions_to_txn_response::AddPartitionsToTxnResult>(
            "results_by_transaction",
            &[
                string("transactional_id"),
                array::<add_partitions_to_txn_response::AddPartitionsToTxnTopicResult>(
                    "topic_results",
                    &[
                        string("name"),
                        array::<add_partitions_to_txn_response::AddPartitionsToTxnPartitionResult>(
                            "results_by_partition",
                            &[i32("partition_index"), i16("partition_error_code")],
                        ),
                    ],
                ),
            ],
        )
        .from(4),
        array::<add_partitions_to_txn_response::AddPartitionsToTxnTopicResult>(
            "results_by_topic_v3_and_below",
            &[
                string("name"),
                array::<add_partitions_to_txn_response::AddPartitionsToTxnPartitionResult>(
                    "results_by_partition",
                    &[i32("partition_index"), i16("partition_error_code")],
                ),
            ],
        )
        .to(3),
    ],
);

pub(super) const ADD_OFFSETS_TO_TXN: Shape =
    flexible(3, &[i32("throttle_time_ms"), i16("error_code")]);

pub(super) const END_TXN: Shape = flexible(
    3,
    &[
        i32("throttle_time_ms"),
        i16("error_code"),
        i64("producer_id").from(5),
        i16("producer_epoch").from(5),
    ],
);

pub(super) const WRITE_TXN_MARKERS: Shape = flexible(
    1,
    &[
        array::<write_txn_markers_response::WritableTxnMarkerResult>(
            "markers",
            &[
                i64("producer_id"),
                array::<write_txn_markers_response::WritableTxnMarkerTopicResult>(
                    "topics",
                    &[
                        string("name"),
                        array::<write_txn_markers_response::WritableTxnMarkerPartitionResult>(
                            "partitions",
                            &[i32("partition_index"), i16("error_code")],
                        ),
                    ],
                ),
            ],
        ),
    ],
);

pub(super) const TXN_OFFSET_COMMIT: Shape = flexible(
    3,
    &[
        i32("throttle_time_ms"),
        array::<txn_offset_commit_response::TxnOffsetCommitResponseTopic>(
            "topics",
            &[
                string("name"),
                array::<txn_offset_commit_response::TxnOffsetCommitResponsePartition>(
                    "partitions",
                    &[i32("partition_index"), i16("error_code")],
                ),
            ],
        ),
    ],
);

pub(super) const DESCRIBE_PRODUCERS: Shape = flexible(
    0,
    &[
        i32("throttle_time_ms"),
        array::<describe_producers_response::TopicResponse>(
            "topics",
            &[
                string("name"),
                array::<describe_producers_response::PartitionResponse>(
                    "partitions",
                    &[
                        i32("partition_index"),
                        i16("error_code"),
                        string("error_message"),
                        array::<describe_producers_response::ProducerState>(
                            "active_producers",
                            &[
                                i64("producer_id"),
                                i32("producer_epoch"),
                                i32("last_sequence"),
                                i64("last_timestamp"),
                                i32("coordinator_epoch"),
                                i64("current_txn_start_offset"),
                            ],
                        ),
                    ],
                ),
            ],
        ),
    ],
);

pub(super) const DESCRIBE_TRANSACTIONS: Shape = flexible(
    0,
    &[
        i32("throttle_time_ms"),
        array::<describe_transactions_response::TransactionState>(
            "transaction_states",
            &[
                i16("error_code"),
                string("transactional_id"),
                string("transaction_state"),
                i32("transaction_timeout_ms"),
                i64("transaction_start_time_ms"),
                i64("producer_id"),
                i16("producer_epoch"),
                array::<describe_transactions_response::TopicData>(
                    "topics",
                    &[string("topic"), i32s("partitions")],
                ),
            ],
        ),
    ],
);

pub(super) const LIST_TRANSACTIONS: Shape = flexible(
    0,
    &[
        i32("throttle_time_ms"),
        i16("error_code"),
        strings::<StrBytes>("unknown_state_filters"),
        array::<list_transactions_response::TransactionState>(
            "transaction_states",
            &[
                string("transactional_id"),
                i64("producer_id"),
                string("transaction_state"),
            ],
        ),
    ],
);
