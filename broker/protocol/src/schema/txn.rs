//! Shapes of the requests about transactions.
//!
//! One line per field of Kafka 4.3's message definitions, with the versions that have it.

use super::{Shape, array, flexible, i8, i16, i32, i32s, i64, i64s, string, strings};
use crate::StrBytes;
use crate::messages::{
    TransactionalId, add_partitions_to_txn_request, describe_producers_request,
    txn_offset_commit_request, write_txn_markers_request,
};

pub(super) const ADD_PARTITIONS_TO_TXN: Shape = flexible(
    3,
    &[
        array::<add_partitions_to_txn_request::AddPartitionsToTxnTransaction>(
            "transactions",
            &[
                string("transactional_id").from(4),
                i64("producer_id").from(4),
                i16("producer_epoch").from(4),
                i8("verify_only").from(4),
                array::<add_partitions_to_txn_request::AddPartitionsToTxnTopic>(
                    "topics",
                    &[string("name"), i32s("partitions")],
                )
                .from(4),
            ],
        )
        .from(4),
        string("v3_and_below_transactional_id").to(3),
        i64("v3_and_below_producer_id").to(3),
        i16("v3_and_below_producer_epoch").to(3),
        array::<add_partitions_to_txn_request::AddPartitionsToTxnTopic>(
            "v3_and_below_topics",
            &[string("name"), i32s("partitions")],
        )
        .to(3),
    ],
);

pub(super) const ADD_OFFSETS_TO_TXN: Shape = flexible(
    3,
    &[
        string("transactional_id"),
        i64("producer_id"),
        i16("producer_epoch"),
        string("group_id"),
    ],
);

pub(super) const END_TXN: Shape = flexible(
    3,
    &[
        string("transactional_id"),
        i64("producer_id"),
        i16("producer_epoch"),
        i8("committed"),
    ],
);

pub(super) const WRITE_TXN_MARKERS: Shape = flexible(
    1,
    &[array::<write_txn_markers_request::WritableTxnMarker>(
        "markers",
        &[
            i64("producer_id"),
            i16("producer_epoch"),
            i8("transaction_result"),
            array::<write_txn_markers_request::WritableTxnMarkerTopic>(
                "topics",
                &[string("name"), i32s("partition_indexes")],
            ),
            i32("coordinator_epoch"),
        ],
    )],
);

pub(super) const DESCRIBE_PRODUCERS: Shape = flexible(
    0,
    &[array::<describe_producers_request::TopicRequest>(
        "topics",
        &[string("name"), i32s("partition_indexes")],
    )],
);

pub(super) const TXN_OFFSET_COMMIT: Shape = flexible(
    3,
    &[
        string("transactional_id"),
        string("group_id"),
        i64("producer_id"),
        i16("producer_epoch"),
        i32("generation_id").from(3),
        string("member_id").from(3),
        string("group_instance_id").from(3),
        array::<txn_offset_commit_request::TxnOffsetCommitRequestTopic>(
            "topics",
            &[
                string("name"),
                array::<txn_offset_commit_request::TxnOffsetCommitRequestPartition>(
                    "partitions",
                    &[
                        i32("partition_index"),
                        i64("committed_offset"),
                        i32("committed_leader_epoch").from(2),
                        string("committed_metadata"),
                    ],
                ),
            ],
        ),
    ],
);

pub(super) const DESCRIBE_TRANSACTIONS: Shape =
    flexible(0, &[strings::<TransactionalId>("transactional_ids")]);

pub(super) const LIST_TRANSACTIONS: Shape = flexible(
    0,
    &[
        strings::<StrBytes>("state_filters"),
        i64s("producer_id_filters"),
        i64("duration_filter").from(1),
        string("transactional_id_pattern").from(2),
    ],
);
