//! Appends that fail, records that are damaged, producer ids that run out.

use std::sync::atomic::Ordering;

use super::harness::*;
use crate::coordinator::CoordinatorLogError;
use crate::txn::TransactionState::*;
use crate::txn::{ProducerIdAndEpoch, TxnError};

#[test]
fn a_failed_append_changes_nothing_and_says_what_kafka_says() {
    on_a_core(async {
        let cases = [
            (
                CoordinatorLogError::NotEnoughReplicas,
                TxnError::CoordinatorNotAvailable,
            ),
            (
                CoordinatorLogError::RequestTimedOut,
                TxnError::CoordinatorNotAvailable,
            ),
            (
                CoordinatorLogError::UnknownTopicOrPartition,
                TxnError::CoordinatorNotAvailable,
            ),
            (
                CoordinatorLogError::NotLeaderOrFollower,
                TxnError::NotCoordinator,
            ),
            (
                CoordinatorLogError::KafkaStorageError,
                TxnError::NotCoordinator,
            ),
            (
                CoordinatorLogError::MessageTooLarge,
                TxnError::UnknownServerError,
            ),
            (
                CoordinatorLogError::RecordListTooLarge,
                TxnError::UnknownServerError,
            ),
        ];
        let harness = Harness::new().await;
        let producer = harness.begin("id", &[topic_partition(0)]).await;
        for (failure, error) in cases {
            harness.log.fail_with(Some(failure));
            assert_eq!(harness.end("id", producer, true).await, Err(error));
            assert_eq!(harness.state("id"), Ongoing);
            assert_eq!(harness.add("id", producer, &[1]).await, Err(error));
            assert_eq!(harness.try_init("id", None).await, Err(error));
        }
        harness.log.fail_with(None);
        let described = harness.coordinator.describe("id").unwrap();
        assert_eq!(described.partitions, [topic_partition(0)]);
        assert_eq!(described.producer, producer, "nobody was fenced");
        assert!(harness.partitions.written().is_empty());
        assert!(harness.end("id", producer, true).await.is_ok());
    });
}

#[test]
fn a_new_id_whose_record_fails_is_as_if_it_had_never_been() {
    on_a_core(async {
        let harness = Harness::new().await;
        let failure = CoordinatorLogError::NotEnoughReplicas;
        harness.log.fail_with(Some(failure));
        let refused = harness.try_init("id", None).await;
        assert_eq!(refused, Err(TxnError::CoordinatorNotAvailable));
        let unknown = Err(TxnError::TransactionalIdNotFound);
        assert_eq!(harness.coordinator.describe("id"), unknown);
        harness.log.fail_with(None);
        let producer = harness.init("id").await;
        assert_eq!(
            producer,
            ProducerIdAndEpoch::new(1001, 0),
            "an id is never reused"
        );
    });
}

#[test]
fn a_new_id_is_not_seen_before_it_is_written() {
    on_a_core(async {
        let harness = Harness::new().await;
        harness.log.hold();
        let coordinator = harness.coordinator.clone();
        let first = start(async move {
            let request = crate::txn::InitProducerId {
                transactional_id: "id",
                timeout_ms: TIMEOUT_MS,
                expected: None,
            };
            coordinator.init_producer_id(request).await
        });
        settle().await;
        let unknown = Err(TxnError::TransactionalIdNotFound);
        assert_eq!(harness.coordinator.describe("id"), unknown);
        let listed = harness.coordinator.list(Default::default(), |_| true);
        assert_eq!(listed, Ok(Vec::new()));
        let second = harness.try_init("id", None).await;
        assert_eq!(second, Err(TxnError::ConcurrentTransactions));
        harness.log.release();
        let granted = ProducerIdAndEpoch::new(1000, 0);
        assert_eq!(first.answer().await, Some(Ok(granted)));
    });
}

#[test]
fn completion_is_tried_until_it_is_written() {
    on_a_core(async {
        let harness = Harness::new().await;
        let producer = harness.begin("id", &[topic_partition(0)]).await;
        harness.partitions.hold();
        harness.end("id", producer, true).await.unwrap();
        let failure = CoordinatorLogError::NotEnoughReplicas;
        harness.log.fail_with(Some(failure));
        harness.partitions.release();
        settle().await;
        for _ in 0..20 {
            harness.advance(std::time::Duration::from_secs(2)).await;
            assert_eq!(harness.state("id"), PrepareCommit);
            let meanwhile = harness.try_init("id", None).await;
            assert_eq!(meanwhile, Err(TxnError::ConcurrentTransactions));
        }
        assert_eq!(
            harness.partitions.written().len(),
            1,
            "markers are not repeated"
        );
        harness.log.fail_with(None);
        harness.advance(std::time::Duration::from_secs(2)).await;
        assert_eq!(harness.state("id"), CompleteCommit);
        assert_eq!(harness.logged_states("id").last(), Some(&CompleteCommit));
    });
}

#[test]
fn a_batch_that_is_too_large_is_split() {
    on_a_core(async {
        let harness = Harness::new().await;
        harness.log.limit_batches(1);
        harness.log.hold();
        let ids = ids_of_one_partition(5);
        let pending: Vec<_> = ids
            .iter()
            .map(|id| {
                let coordinator = harness.coordinator.clone();
                let id = id.clone();
                start(async move {
                    let request = crate::txn::InitProducerId {
                        transactional_id: &id,
                        timeout_ms: TIMEOUT_MS,
                        expected: None,
                    };
                    coordinator.init_producer_id(request).await
                })
            })
            .collect();
        settle().await;
        harness.log.release();
        for pending in pending {
            assert!(pending.answer().await.expect("an answer").is_ok());
        }
        assert_eq!(harness.log.batches(), [1; 5]);
    });
}

#[test]
fn without_producer_ids_there_are_no_new_ids() {
    on_a_core(async {
        let harness = Harness::new().await;
        harness.ids.left.store(0, Ordering::Relaxed);
        let refused = harness.try_init("id", None).await;
        assert_eq!(refused, Err(TxnError::CoordinatorNotAvailable));
        harness.ids.left.store(1, Ordering::Relaxed);
        let producer = harness.init("id").await;
        assert_eq!(producer.producer_epoch, 0);
    });
}

#[test]
fn damaged_and_unknown_records_are_skipped() {
    on_a_core(async {
        let harness = Harness::new().await;
        harness.begin("id", &[topic_partition(0)]).await;
        let partition = partition_of("id");
        let key = crate::txn::schema::encode_key("id").unwrap();
        let mut dead = harness.logged_value("id");
        harness.log.push(partition, &key, Some(&[0, 1, 2]));
        harness.log.push(partition, &[0, 9], Some(&[]));
        harness.log.push(partition, &[], None);
        dead[16] = Dead.id().cast_unsigned();
        harness.log.push(partition, &key, Some(&dead));
        let successor = harness.successor();
        let loaded = successor.coordinator.load(partition, 0).await.unwrap();
        assert_eq!((loaded.records, loaded.damaged, loaded.unknown), (6, 3, 1));
        assert_eq!(successor.state("id"), Ongoing, "as of the last good record");
    });
}

#[test]
fn a_log_that_cannot_be_read_is_not_coordinated() {
    on_a_core(async {
        let harness = Harness::unloaded(Default::default(), Default::default());
        let failure = CoordinatorLogError::KafkaStorageError;
        harness.log.fail_with(Some(failure));
        let partition = partition_of("id");
        let loaded = harness.coordinator.load(partition, 0).await;
        assert_eq!(loaded, Err(TxnError::NotCoordinator));
        harness.log.fail_with(None);
        let refused = harness.try_init("id", None).await;
        assert_eq!(refused, Err(TxnError::NotCoordinator));
        harness.load_all().await;
        assert!(harness.try_init("id", None).await.is_ok());
    });
}
