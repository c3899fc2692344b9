//! Transactions that take too long, ids that nobody uses.

use std::time::Duration;

use ringbrook_engine::Clock;

use super::harness::*;
use crate::coordinator::CoordinatorLogError;
use crate::txn::TransactionState::*;
use crate::txn::{ProducerIdAndEpoch, TxnError};

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

#[test]
fn a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced() {
    on_a_core(async {
        let harness = Harness::new().await;
        let producer = harness.begin("id", &[topic_partition(0)]).await;
        harness.advance(Duration::from_millis(60_000)).await;
        harness.coordinator.abort_timed_out().await;
        settle().await;
        assert_eq!(harness.state("id"), Ongoing, "not yet");
        harness.advance(Duration::from_millis(1)).await;
        harness.coordinator.abort_timed_out().await;
        settle().await;
        assert_eq!(harness.state("id"), CompleteAbort);
        let marker = harness.partitions.written()[0].1;
        assert_eq!((marker.producer_epoch, marker.is_commit), (1, false));
        let added = harness.add("id", producer, &[]).await;
        assert_eq!(added, Err(TxnError::ProducerFenced));
        // Transactions v2: the abort of the producer itself is a retry of that of the timeout.
        let next = harness.end("id", producer, false).await;
        assert_eq!(next, Ok(ProducerIdAndEpoch::new(1000, 1)));
        assert_eq!(
            harness.end("id", producer, true).await,
            Err(TxnError::InvalidTxnState)
        );
    });
}

#[test]
fn an_abort_that_cannot_be_written_comes_with_the_next_search() {
    on_a_core(async {
        let harness = Harness::new().await;
        harness.begin("id", &[topic_partition(0)]).await;
        harness.advance(Duration::from_secs(61)).await;
        let failure = CoordinatorLogError::NotEnoughReplicas;
        harness.log.fail_with(Some(failure));
        harness.coordinator.abort_timed_out().await;
        settle().await;
        assert_eq!(harness.state("id"), Ongoing);
        harness.log.fail_with(None);
        harness.coordinator.abort_timed_out().await;
        settle().await;
        assert_eq!(harness.state("id"), CompleteAbort);
        let last = harness.logged("id").pop().flatten().unwrap();
        assert_eq!(last.producer_epoch, 1, "fenced once");
    });
}

#[test]
fn the_timeout_counts_from_the_first_partition() {
    on_a_core(async {
        let harness = Harness::new().await;
        let producer = harness.begin("id", &[topic_partition(0)]).await;
        harness.advance(Duration::from_secs(40)).await;
        harness.add("id", producer, &[1]).await.unwrap();
        harness.advance(Duration::from_secs(21)).await;
        harness.coordinator.abort_timed_out().await;
        settle().await;
        assert_eq!(harness.state("id"), CompleteAbort);
        assert_eq!(harness.partitions.written().len(), 2);
    });
}

#[test]
fn unused_ids_are_forgotten() {
    on_a_core(async {
        let harness = Harness::new().await;
        harness.init("unused").await;
        let producer = harness.begin("open", &[topic_partition(0)]).await;
        let completed = harness.begin("completed", &[topic_partition(0)]).await;
        harness.end("completed", completed, true).await.unwrap();
        harness.advance(WEEK - Duration::from_millis(1)).await;
        harness.coordinator.remove_expired();
        settle().await;
        assert_eq!(harness.state("unused"), Empty, "not yet");
        harness.advance(Duration::from_millis(1)).await;
        harness.coordinator.remove_expired();
        settle().await;
        let unknown = Err(TxnError::TransactionalIdNotFound);
        assert_eq!(harness.coordinator.describe("unused"), unknown);
        assert_eq!(harness.coordinator.describe("completed"), unknown);
        assert_eq!(harness.logged_states("unused"), [Empty, Dead]);
        assert_eq!(harness.state("open"), Ongoing);
        let successor = harness.restarted().await;
        assert_eq!(successor.coordinator.describe("unused"), unknown);
        let ended = harness.end("unused", producer, true).await;
        assert_eq!(ended, Err(TxnError::InvalidProducerIdMapping));
        assert_eq!(harness.init("unused").await.producer_epoch, 0);
    });
}

#[test]
fn an_id_whose_tombstone_fails_stays() {
    on_a_core(async {
        let harness = Harness::new().await;
        let producer = harness.init("id").await;
        harness.advance(WEEK).await;
        let failure = CoordinatorLogError::NotEnoughReplicas;
        harness.log.fail_with(Some(failure));
        harness.coordinator.remove_expired();
        settle().await;
        harness.log.fail_with(None);
        assert_eq!(harness.add("id", producer, &[0]).await, Ok(()));
    });
}

#[test]
fn the_timers_do_both_at_their_intervals() {
    on_a_core(async {
        let harness = Harness::new().await;
        let timers = harness.coordinator.clone();
        let task = tokio::task::spawn_local(async move { timers.run_timers().await });
        harness.init("unused").await;
        harness.begin("open", &[topic_partition(0)]).await;
        let begun_ms = harness.clock.now_ms();
        while harness.state("open") == Ongoing {
            harness.advance(Duration::from_secs(1)).await;
            assert!(harness.clock.now_ms() <= begun_ms + 75_000, "never aborted");
        }
        settle().await;
        assert_eq!(harness.state("open"), CompleteAbort);
        harness.advance(WEEK + Duration::from_secs(3600)).await;
        settle().await;
        let unknown = Err(TxnError::TransactionalIdNotFound);
        assert_eq!(harness.coordinator.describe("unused"), unknown);
        task.abort();
    });
}
