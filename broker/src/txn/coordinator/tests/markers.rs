//! Markers: retried without end, bounded, and written down when complete.

use std::time::Duration;

use super::harness::*;
use crate::txn::TransactionState::*;
use crate::txn::{MarkerError, TopicPartition, TxnError};

fn partitions(count: i32) -> Vec<TopicPartition> {
    (0..count).map(topic_partition).collect()
}

#[test]
fn markers_are_tried_until_they_are_written() {
    on_a_core(async {
        let harness = Harness::new().await;
        let producer = harness.begin("id", &partitions(3)).await;
        harness
            .partitions
            .refuse(&topic_partition(1), MarkerError::Retriable, 50);
        harness.end("id", producer, true).await.unwrap();
        settle().await;
        assert_eq!(
            harness.partitions.written().len(),
            2,
            "the others do not wait"
        );
        for _ in 0..60 {
            assert_eq!(harness.state("id"), PrepareCommit);
            harness.advance(Duration::from_secs(1)).await;
            if harness.partitions.written().len() == 3 {
                break;
            }
        }
        assert_eq!(harness.partitions.written().len(), 3);
        settle().await;
        assert_eq!(harness.state("id"), CompleteCommit);
    });
}

/// One partition that never answers well must not keep other transactions from ending.
#[test]
fn what_waits_takes_no_room() {
    on_a_core(async {
        let harness = Harness::new().await;
        let ids = ids_of_one_partition(2);
        let stuck = harness.begin(&ids[0], &partitions(200)).await;
        for partition in partitions(200) {
            let failure = MarkerError::Retriable;
            harness.partitions.refuse(&partition, failure, usize::MAX);
        }
        harness.end(&ids[0], stuck, true).await.unwrap();
        settle().await;
        let other = TopicPartition::new("other", 0);
        let producer = harness.begin(&ids[1], &[other]).await;
        harness.end(&ids[1], producer, true).await.unwrap();
        settle().await;
        assert_eq!(harness.state(&ids[1]), CompleteCommit);
        assert_eq!(harness.state(&ids[0]), PrepareCommit);
    });
}

#[test]
fn a_partition_that_is_gone_needs_no_marker() {
    on_a_core(async {
        let harness = Harness::new().await;
        let producer = harness.begin("id", &partitions(2)).await;
        for partition in partitions(2) {
            harness
                .partitions
                .refuse(&partition, MarkerError::Dropped, 1);
        }
        harness.end("id", producer, false).await.unwrap();
        settle().await;
        assert_eq!(harness.state("id"), CompleteAbort);
        assert!(harness.partitions.written().is_empty());
    });
}

#[test]
fn a_newer_coordinator_ends_the_sending() {
    on_a_core(async {
        let harness = Harness::new().await;
        let producer = harness.begin("id", &partitions(3)).await;
        let newer = topic_partition(0);
        harness.partitions.refuse(&newer, MarkerError::Fenced, 1);
        // The others would be tried again, were it not over.
        for other in [topic_partition(1), topic_partition(2)] {
            harness.partitions.refuse(&other, MarkerError::Retriable, 1);
        }
        harness.end("id", producer, true).await.unwrap();
        harness.advance(Duration::from_secs(60)).await;
        assert_eq!(harness.state("id"), PrepareCommit);
        let again = harness.try_init("id", None).await;
        assert_eq!(again, Err(TxnError::ConcurrentTransactions));
        assert!(harness.partitions.written().is_empty());
        // Whoever loads the partition next begins anew.
        let successor = harness.restarted().await;
        settle().await;
        assert_eq!(successor.state("id"), CompleteCommit);
        assert_eq!(successor.partitions.written().len(), 3);
    });
}

#[test]
fn so_many_markers_are_under_way_and_no_more() {
    on_a_core(async {
        let harness = Harness::new().await;
        let ids = ids_of_one_partition(3);
        harness.partitions.hold();
        for id in &ids {
            let producer = harness.begin(id, &partitions(100)).await;
            harness.end(id, producer, true).await.unwrap();
        }
        settle().await;
        assert_eq!(harness.partitions.under_way(), 128);
        harness.partitions.release();
        for _ in 0..10 {
            settle().await;
        }
        assert_eq!(harness.partitions.most_under_way(), 128);
        assert_eq!(harness.partitions.written().len(), 300);
        for id in &ids {
            assert_eq!(harness.state(id), CompleteCommit);
        }
    });
}

/// One sync to disk serves many transactions.
#[test]
fn what_happens_together_is_written_together() {
    on_a_core(async {
        let harness = Harness::new().await;
        let ids = ids_of_one_partition(40);
        let mut producers = Vec::new();
        for id in &ids {
            producers.push(harness.begin(id, &partitions(2)).await);
        }
        let before = harness.log.batches().len();
        let coordinator = &harness.coordinator;
        let ends = ids.iter().zip(&producers);
        let ends = ends.map(|(id, producer)| coordinator.end_txn(id, *producer, true, 2));
        let ended = futures_util::future::join_all(ends).await;
        assert!(ended.iter().all(Result::is_ok));
        settle().await;
        for id in &ids {
            assert_eq!(harness.state(id), CompleteCommit);
        }
        let batches = harness.log.batches()[before..].to_vec();
        assert_eq!(
            batches.iter().sum::<usize>(),
            80,
            "prepare and complete of each"
        );
        assert!(batches.len() <= 8, "{batches:?}");
    });
}

#[test]
fn markers_of_v1_transactions_say_so() {
    on_a_core(async {
        let harness = Harness::new().await;
        harness
            .version
            .store(0, std::sync::atomic::Ordering::Relaxed);
        let producer = harness.init("id").await;
        let coordinator = &harness.coordinator;
        let partitions = partitions(1);
        let added = coordinator.add_partitions("id", producer, &partitions, 0);
        added.await.unwrap();
        let ended = coordinator.end_txn("id", producer, true, 0).await;
        assert_eq!(ended, Ok(producer), "the epoch stays");
        settle().await;
        let marker = harness.partitions.written()[0].1;
        assert_eq!((marker.producer_epoch, marker.transaction_version), (0, 0));
        assert_eq!(harness.state("id"), CompleteCommit);
        let value = harness.logged_value("id");
        assert_eq!(value[..2], [0, 0], "records of version 0");
    });
}
