//! What clients can make the coordinator hold is bounded.

use super::harness::*;
use crate::txn::config::TxnLimits;
use crate::txn::{TransactionState, TxnConfig, TxnError};

fn limited(limits: TxnLimits) -> TxnConfig {
    TxnConfig {
        limits,
        ..TxnConfig::default()
    }
}

#[test]
fn a_full_queue_turns_requests_away() {
    on_a_core(async {
        let limits = TxnLimits {
            queue_bytes_max: 600,
            ..TxnLimits::default()
        };
        let harness = Harness::with_config(limited(limits)).await;
        let ids = ids_of_one_partition(20);
        let producer = harness.begin(&ids[0], &[topic_partition(0)]).await;
        harness.log.hold();
        let init = |id: &String| {
            let (coordinator, id) = (harness.coordinator.clone(), id.clone());
            start(async move {
                let request = crate::txn::InitProducerId {
                    transactional_id: &id,
                    timeout_ms: TIMEOUT_MS,
                    expected: None,
                };
                coordinator.init_producer_id(request).await
            })
        };
        // The first one is being appended; what comes next has to wait for it.
        let mut pending = vec![init(&ids[1])];
        settle().await;
        pending.extend(ids[2..].iter().map(init));
        settle().await;
        let late = harness.end(&ids[0], producer, true).await;
        assert_eq!(late, Err(TxnError::CoordinatorNotAvailable));
        harness.log.release();
        let mut answers = Vec::new();
        for pending in pending {
            answers.push(pending.answer().await.expect("an answer"));
        }
        let turned_away = Err(TxnError::CoordinatorNotAvailable);
        let refused = answers.iter().filter(|it| **it == turned_away).count();
        assert!((1..19).contains(&refused), "{refused} of 19 turned away");
        let taken = answers.iter().filter(|it| it.is_ok()).count();
        assert_eq!(taken + refused, 19);
        // Those turned away left nothing behind, and may come again.
        let listed = harness.coordinator.list(Default::default(), |_| true);
        assert_eq!(listed.unwrap().len(), taken + 1);
        assert!(harness.end(&ids[0], producer, true).await.is_ok());
        for id in &ids[1..] {
            assert!(harness.try_init(id, None).await.is_ok(), "{id}");
        }
    });
}

#[test]
fn too_much_state_allows_no_growth_but_every_end() {
    on_a_core(async {
        let limits = TxnLimits {
            state_bytes_max: 400,
            ..TxnLimits::default()
        };
        let harness = Harness::with_config(limited(limits)).await;
        let mut known = Vec::new();
        let refused = loop {
            let id = format!("id-{}", known.len());
            match harness.try_init(&id, None).await {
                Ok(producer) => known.push((id, producer)),
                Err(error) => break error,
            }
            assert!(known.len() < 100, "no limit");
        };
        assert_eq!(refused, TxnError::CoordinatorNotAvailable);
        let (id, producer) = known[0].clone();
        let coordinator = &harness.coordinator;
        let many: Vec<_> = (0..50).map(topic_partition).collect();
        let added = coordinator.add_partitions(&id, producer, &many, 2).await;
        assert_eq!(added, Err(TxnError::CoordinatorNotAvailable));
        // Ending is always possible.
        let ended = harness.end(&id, producer, false).await;
        assert!(ended.is_ok(), "{ended:?}");
        settle().await;
        assert_eq!(harness.state(&id), TransactionState::CompleteAbort);
        // Ids that expire make room.
        harness
            .advance(std::time::Duration::from_secs(8 * 24 * 3600))
            .await;
        coordinator.remove_expired();
        settle().await;
        assert!(harness.try_init("new", None).await.is_ok());
    });
}

/// What a partition held no longer counts when it is coordinated elsewhere.
#[test]
fn unloading_makes_room() {
    on_a_core(async {
        let limits = TxnLimits {
            state_bytes_max: 100,
            ..TxnLimits::default()
        };
        let harness = Harness::with_config(limited(limits)).await;
        let ids = ids_of_one_partition(10);
        let mut taken = 0;
        while harness.try_init(&ids[taken], None).await.is_ok() {
            taken += 1;
        }
        harness.coordinator.unload(0);
        let elsewhere = (0..).map(|it| format!("other-{it}"));
        let mut elsewhere = elsewhere.filter(|id| partition_of(id) != 0);
        let id = elsewhere.next().unwrap();
        assert!(harness.try_init(&id, None).await.is_ok());
        // What is in the log is loaded, whatever the limit.
        harness.load_all().await;
        assert_eq!(harness.state(&ids[0]), TransactionState::Empty);
    });
}
