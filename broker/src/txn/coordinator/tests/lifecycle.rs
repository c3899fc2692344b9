//! A transaction from beginning to end, loads and unloads.

use super::harness::*;
use crate::txn::TransactionState::*;
use crate::txn::{ProducerIdAndEpoch, TxnError};

#[test]
fn a_transaction_goes_its_way_through_the_log() {
    on_a_core(async {
        let harness = Harness::new().await;
        let producer = harness
            .begin("id", &[topic_partition(0), topic_partition(1)])
            .await;
        assert_eq!(producer, ProducerIdAndEpoch::new(1000, 0));
        let next = harness.end("id", producer, true).await;
        assert_eq!(next, Ok(ProducerIdAndEpoch::new(1000, 1)));
        settle().await;
        let states = [Empty, Ongoing, PrepareCommit, CompleteCommit];
        assert_eq!(harness.logged_states("id"), states);
        assert_eq!(harness.state("id"), CompleteCommit);
        let written = harness.partitions.written();
        let partitions: Vec<_> = written.iter().map(|(it, _)| it.partition).collect();
        assert_eq!(partitions, [0, 1]);
        for (_, marker) in written {
            assert!(marker.is_commit);
            assert_eq!((marker.producer_id, marker.producer_epoch), (1000, 1));
            assert_eq!(marker.coordinator_epoch, COORDINATOR_EPOCH);
            assert_eq!(marker.transaction_version, 2);
        }
        let retry = harness.end("id", producer, true).await;
        assert_eq!(retry, next, "a retry is told the same");
        assert_eq!(harness.add("id", next.unwrap(), &[0]).await, Ok(()));
    });
}

#[test]
fn the_answer_follows_the_decision_and_completion_the_markers() {
    on_a_core(async {
        let harness = Harness::new().await;
        let producer = harness.begin("id", &[topic_partition(0)]).await;
        harness.log.hold();
        let coordinator = harness.coordinator.clone();
        let end = start(async move { coordinator.end_txn("id", producer, false, 2).await });
        assert_eq!(end.answer().await, None, "not before it is on disk");
        assert_eq!(harness.state("id"), Ongoing);
        assert_eq!(
            harness.partitions.under_way(),
            0,
            "no marker of what may not be"
        );
        harness.partitions.hold();
        harness.log.release();
        assert_eq!(
            end.answer().await,
            Some(Ok(ProducerIdAndEpoch::new(1000, 1)))
        );
        assert_eq!(harness.state("id"), PrepareAbort);
        assert_eq!(harness.partitions.under_way(), 1);
        assert_eq!(harness.logged_states("id").last(), Some(&PrepareAbort));
        let meanwhile = harness.try_init("id", None).await;
        assert_eq!(meanwhile, Err(TxnError::ConcurrentTransactions));
        harness.partitions.release();
        settle().await;
        assert_eq!(harness.logged_states("id").last(), Some(&CompleteAbort));
        assert_eq!(harness.state("id"), CompleteAbort);
    });
}

/// What a producer sends next must not cost it the 20 ms after which it would come again.
#[test]
fn the_next_transaction_begins_when_the_one_before_is_complete() {
    on_a_core(async {
        let harness = Harness::new().await;
        let producer = harness.begin("id", &[topic_partition(0)]).await;
        harness.partitions.hold();
        let next = harness.end("id", producer, true).await.unwrap();
        let coordinator = harness.coordinator.clone();
        let next_partitions = [topic_partition(1)];
        let begin = start(async move {
            let added = coordinator.add_partitions("id", next, &next_partitions, 2);
            added.await
        });
        assert_eq!(begin.answer().await, None, "not told to come again at once");
        harness.partitions.release();
        assert_eq!(begin.answer().await, Some(Ok(())));
        assert_eq!(harness.state("id"), Ongoing);
        // Who waits too long is told to come again, and holds nothing meanwhile.
        harness.partitions.hold();
        let last = harness.end("id", next, true).await.unwrap();
        for _ in 0..3 {
            let late = harness.add("id", last, &[0]).await;
            assert_eq!(late, Err(TxnError::ConcurrentTransactions));
        }
    });
}

#[test]
fn another_producer_takes_over_after_the_abort() {
    on_a_core(async {
        let harness = Harness::new().await;
        let first = harness.begin("id", &[topic_partition(0)]).await;
        let again = harness.try_init("id", None).await;
        assert_eq!(again, Err(TxnError::ConcurrentTransactions));
        settle().await;
        let second = harness.init("id").await;
        assert_eq!(second, ProducerIdAndEpoch::new(1000, 2));
        let late = harness.end("id", first, true).await;
        assert_eq!(late, Err(TxnError::ProducerFenced));
        let written = harness.partitions.written();
        assert!(!written[0].1.is_commit);
        assert_eq!(written.len(), 1);
    });
}

#[test]
fn what_is_asked_wrongly() {
    on_a_core(async {
        let harness = Harness::new().await;
        let someone = ProducerIdAndEpoch::new(1, 1);
        let coordinator = &harness.coordinator;
        let long = "x".repeat(32_768);
        for id in ["", &long] {
            assert_eq!(
                harness.try_init(id, None).await,
                Err(TxnError::InvalidRequest)
            );
            assert_eq!(
                harness.end(id, someone, true).await,
                Err(TxnError::InvalidRequest)
            );
            let added = coordinator.add_partitions(id, someone, &[], 0).await;
            assert_eq!(added, Err(TxnError::InvalidRequest));
            let verified = coordinator.verify_partitions(id, someone, &[]);
            assert_eq!(verified, Err(TxnError::InvalidRequest));
        }
        for version in [0, 2] {
            let ended = coordinator.end_txn("new", someone, true, version).await;
            assert_eq!(ended, Err(TxnError::InvalidProducerIdMapping));
            let added = coordinator
                .add_partitions("new", someone, &[], version)
                .await;
            assert_eq!(added, Err(TxnError::InvalidProducerIdMapping));
        }
        let verified = coordinator.verify_partitions("new", someone, &[]);
        assert_eq!(verified, Err(TxnError::InvalidProducerIdMapping));
        for timeout_ms in [0, -1, i32::MIN, 900_001, i32::MAX] {
            let request = crate::txn::InitProducerId {
                transactional_id: "new",
                timeout_ms,
                expected: None,
            };
            let refused = coordinator.init_producer_id(request).await;
            assert_eq!(refused, Err(TxnError::InvalidTransactionTimeout));
        }
        assert!(harness.logged("new").is_empty());
    });
}

#[test]
fn partitions_are_loaded_before_they_are_coordinated() {
    on_a_core(async {
        let harness = Harness::new().await;
        let producer = harness.begin("id", &[topic_partition(0)]).await;
        let successor = harness.successor();
        let unknown = successor.end("id", producer, true).await;
        assert_eq!(unknown, Err(TxnError::NotCoordinator));
        harness.log.hold();
        let coordinator = successor.coordinator.clone();
        let load = start(async move { coordinator.load(partition_of("id"), 5).await });
        assert!(load.answer().await.is_none());
        let loading = Err(TxnError::CoordinatorLoadInProgress);
        assert_eq!(successor.end("id", producer, true).await, loading);
        assert_eq!(successor.try_init("id", None).await, loading);
        harness.log.release();
        let loaded = load.answer().await.expect("the load ends").unwrap();
        assert_eq!((loaded.ids, loaded.records, loaded.prepared), (1, 2, 0));
        let ended = successor.end("id", producer, true).await;
        assert_eq!(ended, Ok(ProducerIdAndEpoch::new(1000, 1)));
        settle().await;
        let marker = successor.partitions.written()[0].1;
        assert_eq!(marker.coordinator_epoch, 5);
    });
}

/// Killed at any point between prepare and complete: the decision is carried out by who comes next.
#[test]
fn a_decided_transaction_is_completed_by_the_next_coordinator() {
    on_a_core(async {
        for (is_commit, complete) in [(true, CompleteCommit), (false, CompleteAbort)] {
            let harness = Harness::new().await;
            harness.partitions.hold();
            let producer = harness
                .begin("id", &[topic_partition(0), topic_partition(1)])
                .await;
            harness.end("id", producer, is_commit).await.unwrap();
            let successor = harness.restarted().await;
            settle().await;
            let written = successor.partitions.written();
            assert_eq!(written.len(), 2);
            assert!(
                written
                    .iter()
                    .all(|(_, marker)| marker.is_commit == is_commit)
            );
            assert_eq!(successor.state("id"), complete);
            let retry = successor.end("id", producer, is_commit).await;
            assert_eq!(retry, Ok(ProducerIdAndEpoch::new(1000, 1)));
        }
    });
}

#[test]
fn an_open_transaction_survives_a_restart() {
    on_a_core(async {
        let harness = Harness::new().await;
        let producer = harness.begin("id", &[topic_partition(3)]).await;
        let successor = harness.restarted().await;
        let described = successor.coordinator.describe("id").unwrap();
        assert_eq!(described.state, Ongoing);
        assert_eq!(described.partitions, [topic_partition(3)]);
        assert_eq!(described.producer, producer);
        assert_eq!(described.timeout_ms, TIMEOUT_MS);
        assert!(successor.end("id", producer, true).await.is_ok());
    });
}

#[test]
fn after_an_unload_nothing_goes_on() {
    on_a_core(async {
        let harness = Harness::new().await;
        let producer = harness
            .begin("id", &[topic_partition(0), topic_partition(1)])
            .await;
        harness.partitions.hold();
        harness.end("id", producer, true).await.unwrap();
        settle().await;
        assert_eq!(harness.partitions.under_way(), 2);
        harness.coordinator.unload(partition_of("id"));
        harness.partitions.release();
        settle().await;
        assert_eq!(harness.logged_states("id").last(), Some(&PrepareCommit));
        let gone = harness.end("id", producer, true).await;
        assert_eq!(gone, Err(TxnError::NotCoordinator));
        assert_eq!(
            harness.coordinator.describe("id"),
            Err(TxnError::NotCoordinator)
        );
        // Loaded again, it goes on.
        harness.load_all().await;
        settle().await;
        assert_eq!(harness.state("id"), CompleteCommit);
    });
}

#[test]
fn what_waits_for_the_disk_hears_of_the_unload() {
    on_a_core(async {
        let harness = Harness::new().await;
        let producer = harness.begin("id", &[topic_partition(0)]).await;
        harness.log.hold();
        let coordinator = harness.coordinator.clone();
        let under_way = start(async move { coordinator.end_txn("id", producer, true, 2).await });
        settle().await;
        let other = ids_of_one_partition(200);
        let other = other.into_iter().find(|_| partition_of("id") == 0);
        let coordinator = harness.coordinator.clone();
        let queued = start(async move {
            match other {
                Some(other) => {
                    let request = crate::txn::InitProducerId {
                        transactional_id: &other,
                        timeout_ms: 1,
                        expected: None,
                    };
                    coordinator.init_producer_id(request).await
                }
                None => Err(TxnError::NotCoordinator),
            }
        });
        settle().await;
        harness.coordinator.unload(partition_of("id"));
        assert_eq!(queued.answer().await, Some(Err(TxnError::NotCoordinator)));
        harness.log.release();
        assert_eq!(
            under_way.answer().await,
            Some(Err(TxnError::NotCoordinator))
        );
    });
}

#[test]
fn a_client_that_goes_away_takes_nothing_with_it() {
    on_a_core(async {
        let harness = Harness::new().await;
        let producer = harness.begin("id", &[topic_partition(0)]).await;
        harness.log.hold();
        let coordinator = harness.coordinator.clone();
        let end = start(async move { coordinator.end_txn("id", producer, true, 2).await });
        settle().await;
        end.abandon();
        harness.log.release();
        settle().await;
        assert_eq!(harness.state("id"), CompleteCommit);
        assert_eq!(harness.partitions.written().len(), 1);
    });
}

#[test]
fn loading_a_loaded_partition_changes_nothing() {
    on_a_core(async {
        let harness = Harness::new().await;
        harness.init("id").await;
        let again = harness.coordinator.load(partition_of("id"), 9).await;
        assert_eq!(again.unwrap().records, 0);
        assert_eq!(harness.state("id"), Empty);
    });
}
