//! DescribeTransactions and ListTransactions.

use std::time::Duration;

use super::harness::*;
use crate::txn::TransactionState::*;
use crate::txn::{ListFilter, TxnError};

async fn some_ids() -> Harness {
    let harness = Harness::new().await;
    harness.init("empty").await;
    harness.begin("old", &[topic_partition(0)]).await;
    harness.advance(Duration::from_secs(30)).await;
    harness.begin("young", &[topic_partition(1)]).await;
    let producer = harness.begin("done", &[topic_partition(1)]).await;
    harness.end("done", producer, true).await.unwrap();
    settle().await;
    harness
}

fn names(harness: &Harness, filter: ListFilter<'_>, prefix: &str) -> Vec<String> {
    let listed = harness
        .coordinator
        .list(filter, |id| id.starts_with(prefix));
    let mut names: Vec<_> = listed
        .unwrap()
        .iter()
        .map(|listing| listing.transactional_id.to_string())
        .collect();
    names.sort();
    names
}

#[test]
fn filters_select() {
    on_a_core(async {
        let harness = some_ids().await;
        let all = ListFilter::default();
        assert_eq!(names(&harness, all, ""), ["done", "empty", "old", "young"]);
        assert_eq!(names(&harness, all, "o"), ["old"]);
        let ongoing = ListFilter {
            states: Some(&[Ongoing]),
            ..all
        };
        assert_eq!(names(&harness, ongoing, ""), ["old", "young"]);
        let no_state = ListFilter {
            states: Some(&[]),
            ..all
        };
        assert!(names(&harness, no_state, "").is_empty());
        let long = ListFilter {
            duration_ms: 29_999,
            ..ongoing
        };
        assert_eq!(names(&harness, long, ""), ["old"]);
        let longer = ListFilter {
            duration_ms: 30_000,
            ..ongoing
        };
        assert!(names(&harness, longer, "").is_empty(), "must be longer");
        let of_producer = ListFilter {
            producer_ids: &[1002, 77],
            ..all
        };
        assert_eq!(names(&harness, of_producer, ""), ["young"]);
        let listed = harness.coordinator.list(of_producer, |_| true).unwrap();
        assert_eq!((listed[0].producer_id, listed[0].state), (1002, Ongoing));
    });
}

#[test]
fn a_description_says_what_is_open() {
    on_a_core(async {
        let harness = some_ids().await;
        let described = harness.coordinator.describe("young").unwrap();
        assert_eq!(described.state, Ongoing);
        assert_eq!(described.partitions, [topic_partition(1)]);
        assert_eq!(described.producer.producer_id, 1002);
        assert_eq!(described.timeout_ms, TIMEOUT_MS);
        assert_eq!(described.start_ms, 1_700_000_030_000);
        let described = harness.coordinator.describe("empty").unwrap();
        assert_eq!((described.state, described.start_ms), (Empty, -1));
        let done = harness.coordinator.describe("done").unwrap();
        assert!(done.partitions.is_empty());
        let unknown = harness.coordinator.describe("unknown");
        assert_eq!(unknown, Err(TxnError::TransactionalIdNotFound));
        let invalid = harness.coordinator.describe("");
        assert_eq!(invalid, Err(TxnError::InvalidRequest));
    });
}

#[test]
fn a_list_is_complete_or_not_given() {
    on_a_core(async {
        let harness = some_ids().await;
        let successor = harness.successor();
        harness.log.hold();
        let coordinator = successor.coordinator.clone();
        let load = start(async move { coordinator.load(0, 0).await });
        assert!(load.answer().await.is_none());
        let listed = successor.coordinator.list(ListFilter::default(), |_| true);
        assert_eq!(listed, Err(TxnError::CoordinatorLoadInProgress));
        harness.log.release();
        assert!(load.answer().await.is_some());
        let listed = successor.coordinator.list(ListFilter::default(), |_| true);
        assert!(listed.is_ok());
    });
}
