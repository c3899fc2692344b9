//! Offsets committed in transactions: when they show, what removes them, who may commit them.

use std::sync::Arc;
use std::time::Duration;

use super::harness::{
    Harness, commit_request, config, join_request, marker, on_a_core, settle, start,
    txn_commit_request,
};
use crate::coordinator::CoordinatorLogError;
use crate::group::{FetchingMember, GroupConfig, GroupError, OffsetSelection, TxnOffsetCommit};

const UNSTABLE: Result<Option<i64>, GroupError> = Err(GroupError::UnstableOffsetCommit);

#[test]
fn offsets_show_when_their_transaction_commits_and_not_when_it_aborts() {
    on_a_core(async {
        let h = Harness::new().await;
        h.commit("group", &[("a", 0, 5)]).await.unwrap();
        h.txn_commit("group", 7, &[("a", 0, 9), ("a", 1, 3)])
            .await
            .unwrap();
        assert_eq!(h.fetch("group", "a", 0).await, Some(5));
        assert_eq!(h.fetch("group", "a", 1).await, None);
        assert_eq!(h.fetch_stable("group", "a", 0).await, UNSTABLE);
        assert_eq!(h.fetch_stable("group", "a", 1).await, UNSTABLE);
        assert_eq!(h.fetch_stable("group", "a", 2).await, Ok(None));

        h.end("group", 8, true).await.unwrap();
        assert_eq!(
            h.fetch_stable("group", "a", 0).await,
            UNSTABLE,
            "another's end"
        );
        h.end("group", 7, false).await.unwrap();
        assert_eq!(h.fetch_stable("group", "a", 0).await, Ok(Some(5)));
        assert_eq!(h.fetch_stable("group", "a", 1).await, Ok(None));

        h.txn_commit("group", 7, &[("a", 1, 4)]).await.unwrap();
        h.end("group", 7, true).await.unwrap();
        assert_eq!(h.fetch_stable("group", "a", 1).await, Ok(Some(4)));
        h.end("group", 7, false).await.unwrap();
        assert_eq!(
            h.fetch_stable("group", "a", 1).await,
            Ok(Some(4)),
            "a second end"
        );
    });
}

#[test]
fn a_fetch_of_all_lists_unstable_partitions_that_have_an_offset() {
    on_a_core(async {
        let h = Harness::new().await;
        h.commit("group", &[("a", 0, 5)]).await.unwrap();
        h.txn_commit("group", 7, &[("a", 0, 9), ("b", 0, 3)])
            .await
            .unwrap();
        let all = h.groups.offset_fetch(
            "group",
            FetchingMember::ANYBODY,
            &OffsetSelection::All,
            true,
        );
        let all = all.await.unwrap();
        assert_eq!(all.len(), 1, "{all:?}");
        assert_eq!(
            all[0].partitions,
            [(0, Err(GroupError::UnstableOffsetCommit))]
        );
    });
}

#[test]
fn of_several_commits_the_later_record_wins_whenever_its_transaction_ends() {
    on_a_core(async {
        let h = Harness::new().await;
        h.txn_commit("group", 1, &[("a", 0, 10)]).await.unwrap();
        h.txn_commit("group", 2, &[("a", 0, 20)]).await.unwrap();
        h.txn_commit("group", 1, &[("a", 1, 11)]).await.unwrap();
        h.commit("group", &[("a", 1, 12)]).await.unwrap();
        h.end("group", 2, true).await.unwrap();
        assert_eq!(h.fetch("group", "a", 0).await, Some(20));
        assert_eq!(h.fetch_stable("group", "a", 0).await, UNSTABLE);
        h.end("group", 1, true).await.unwrap();
        assert_eq!(h.fetch_stable("group", "a", 0).await, Ok(Some(20)));
        assert_eq!(h.fetch_stable("group", "a", 1).await, Ok(Some(12)));
        let restarted = h.restarted().await;
        assert_eq!(restarted.fetch_stable("group", "a", 0).await, Ok(Some(20)));
        assert_eq!(restarted.fetch_stable("group", "a", 1).await, Ok(Some(12)));
    });
}

#[test]
fn one_end_completes_every_group_of_the_partition() {
    on_a_core(async {
        let h = Harness::new().await;
        let here = Harness::partition("group");
        let ids = (0..100).map(|i| format!("group-{i}"));
        let neighbours: Vec<String> = ids.filter(|id| Harness::partition(id) == here).collect();
        assert!(2 < neighbours.len());
        for id in &neighbours {
            h.txn_commit(id, 7, &[("a", 0, 9)]).await.unwrap();
        }
        h.end("group", 7, true).await.unwrap();
        for id in &neighbours {
            assert_eq!(h.fetch_stable(id, "a", 0).await, Ok(Some(9)), "{id}");
        }
    });
}

#[test]
fn open_transactions_survive_a_restart_and_end_after_it() {
    on_a_core(async {
        let h = Harness::new().await;
        h.txn_commit("group", 1, &[("a", 0, 10)]).await.unwrap();
        h.txn_commit("group", 2, &[("a", 1, 20)]).await.unwrap();
        h.txn_commit("group", 3, &[("a", 2, 30)]).await.unwrap();
        h.end("group", 3, true).await.unwrap();
        let restarted = h.restarted().await;
        assert_eq!(restarted.fetch_stable("group", "a", 0).await, UNSTABLE);
        assert_eq!(restarted.fetch_stable("group", "a", 2).await, Ok(Some(30)));
        restarted.end("group", 1, true).await.unwrap();
        restarted.end("group", 2, false).await.unwrap();
        assert_eq!(restarted.fetch_stable("group", "a", 0).await, Ok(Some(10)));
        assert_eq!(restarted.fetch_stable("group", "a", 1).await, Ok(None));
    });
}

#[test]
fn commits_of_many_producers_do_not_wait_for_each_other() {
    on_a_core(async {
        let h = Harness::new().await;
        h.log.hold();
        let first = h.start_commit(commit_request("group", &[("a", 0, 1)]));
        let mut others = Vec::new();
        for producer_id in 0..200 {
            let groups = h.groups.clone();
            let request = txn_commit_request("group", producer_id, &[("a", 1, producer_id)]);
            others.push(start(
                async move { groups.txn_offset_commit(request).await },
            ));
        }
        let last = h.start_commit(commit_request("group", &[("a", 0, 2), ("a", 2, 2)]));
        settle().await;
        h.log.release();
        assert_eq!(first.answer().await, Some(Ok(vec![Ok(())])));
        for other in others {
            assert_eq!(other.answer().await, Some(Ok(vec![Ok(())])));
        }
        assert_eq!(last.answer().await, Some(Ok(vec![Ok(()), Ok(())])));
        // Each producer has a batch of its own.
        let mut expected = vec![1; 201];
        expected.push(2);
        assert_eq!(h.log.batches(), expected);
        h.end("group", 199, true).await.unwrap();
        assert_eq!(h.fetch("group", "a", 1).await, Some(199));
        h.groups.assert_quiet(Harness::partition("group"));
    });
}

#[test]
fn a_failed_write_changes_nothing_and_can_be_repeated() {
    on_a_core(async {
        let h = Harness::new().await;
        for (failure, seen) in [
            (
                CoordinatorLogError::NotEnoughReplicas,
                GroupError::CoordinatorNotAvailable,
            ),
            (
                CoordinatorLogError::InvalidProducerEpoch,
                GroupError::InvalidProducerEpoch,
            ),
            (
                CoordinatorLogError::InvalidTxnState,
                GroupError::InvalidTxnState,
            ),
        ] {
            h.log.fail_with(Some(failure));
            let committed = h.txn_commit("group", 7, &[("a", 0, 9)]).await;
            assert_eq!(committed, Err(seen));
            h.log.fail_with(None);
            assert_eq!(h.fetch_stable("group", "a", 0).await, Ok(None));
        }
        h.txn_commit("group", 7, &[("a", 0, 9)]).await.unwrap();
        h.log
            .fail_with(Some(CoordinatorLogError::TransactionCoordinatorFenced));
        let ended = h.end("group", 7, true).await;
        assert_eq!(ended, Err(GroupError::TransactionCoordinatorFenced));
        h.log.fail_with(None);
        assert_eq!(h.fetch_stable("group", "a", 0).await, UNSTABLE);
        h.end("group", 7, true).await.unwrap();
        assert_eq!(h.fetch_stable("group", "a", 0).await, Ok(Some(9)));
    });
}

#[test]
fn ends_are_refused_where_the_partition_is_not_coordinated() {
    on_a_core(async {
        let h = Harness::unloaded(config(), Arc::default());
        let ended = h.end("group", 7, true).await;
        assert_eq!(ended, Err(GroupError::NotCoordinator));
        let partition = Harness::partition("group");
        h.log.hold();
        let groups = h.groups.clone();
        let load = start(async move { groups.load(partition).await });
        settle().await;
        let ended = h.end("group", 7, true).await;
        assert_eq!(ended, Err(GroupError::CoordinatorLoadInProgress));
        h.log.release();
        assert!(load.answer().await.unwrap().is_ok());
        h.log.hold();
        let groups = h.groups.clone();
        let end = start(async move {
            groups
                .complete_transaction(partition, marker(7, true))
                .await
        });
        settle().await;
        h.groups.unload(partition);
        h.log.release();
        assert_eq!(end.answer().await, Some(Err(GroupError::NotCoordinator)));
    });
}

#[test]
fn a_member_or_anybody_without_a_generation_may_commit() {
    on_a_core(async {
        let h = Harness::new().await;
        let unknown = TxnOffsetCommit {
            generation: 3,
            ..txn_commit_request("none", 7, &[("a", 0, 1)])
        };
        let refused = h.groups.txn_offset_commit(unknown).await;
        assert_eq!(refused, Err(GroupError::IllegalGeneration));
        let nameless = h.txn_commit("", 7, &[("a", 0, 1)]).await;
        assert_eq!(nameless, Err(GroupError::InvalidGroupId));

        let joined = h.lone_member("group").await;
        let request = |member_id: &str, generation| TxnOffsetCommit {
            member_id: Arc::from(member_id),
            generation,
            ..txn_commit_request("group", 7, &[("a", 0, 1)])
        };
        let (id, generation) = (&joined.member_id, joined.generation);
        for (member_id, generation, expected) in [
            ("", -1, Ok(vec![Ok(())])),
            (id, generation, Ok(vec![Ok(())])),
            (id, generation + 1, Err(GroupError::IllegalGeneration)),
            (id, -1, Err(GroupError::IllegalGeneration)),
            ("stranger", generation, Err(GroupError::UnknownMemberId)),
            ("", generation, Err(GroupError::UnknownMemberId)),
        ] {
            let outcome = h.groups.txn_offset_commit(request(member_id, generation));
            assert_eq!(outcome.await, expected, "{member_id} {generation}");
        }
        // A plain commit is refused while the group rebalances, one in a transaction is not.
        let second = h.start_join(join_request("group", ""));
        settle().await;
        let rejoin = h.start_join(join_request("group", id));
        assert!(rejoin.answer().await.is_some() && second.answer().await.is_some());
        let outcome = h.groups.txn_offset_commit(request(id, generation + 1));
        assert_eq!(outcome.await, Ok(vec![Ok(())]));
        let outcome = h.commit("group", &[("a", 0, 1)]).await;
        assert_eq!(outcome, Err(GroupError::UnknownMemberId));
    });
}

#[test]
fn deleting_takes_pending_offsets_along() {
    on_a_core(async {
        let h = Harness::new().await;
        let group: Arc<str> = Arc::from("group");
        h.txn_commit("group", 7, &[("a", 0, 9), ("b", 0, 8), ("c", 0, 7)])
            .await
            .unwrap();
        let topics = vec![(Arc::from("a"), vec![0])];
        let deleted = h.groups.offset_delete(&group, topics).await;
        assert_eq!(deleted, Ok(vec![Ok(())]));
        assert_eq!(h.fetch_stable("group", "a", 0).await, Ok(None));
        assert_eq!(h.fetch_stable("group", "b", 0).await, UNSTABLE);
        h.groups.on_topics_deleted(&[Arc::from("b")]).await;
        assert_eq!(h.fetch_stable("group", "b", 0).await, Ok(None));
        h.end("group", 7, true).await.unwrap();
        assert_eq!(h.fetch_stable("group", "a", 0).await, Ok(None));
        assert_eq!(h.fetch_stable("group", "b", 0).await, Ok(None));
        assert_eq!(h.fetch_stable("group", "c", 0).await, Ok(Some(7)));

        h.txn_commit("group", 8, &[("d", 0, 1)]).await.unwrap();
        let deleted = h.groups.delete_groups(&[Arc::clone(&group)]).await;
        assert_eq!(deleted, [Ok(())]);
        h.end("group", 8, true).await.unwrap();
        let restarted = h.restarted().await;
        for h in [&h, &restarted] {
            assert_eq!(h.fetch_stable("group", "c", 0).await, Ok(None));
            assert_eq!(h.fetch_stable("group", "d", 0).await, Ok(None));
            let described = h.groups.describe_group("group").err();
            assert_eq!(described, Some(GroupError::GroupIdNotFound));
        }
    });
}

#[test]
fn nothing_expires_that_a_transaction_may_replace_nor_its_group() {
    on_a_core(async {
        let config = GroupConfig {
            offsets_retention: Duration::from_secs(10),
            ..config()
        };
        let h = Harness::with_config(config).await;
        h.commit("group", &[("a", 0, 5), ("b", 0, 5)])
            .await
            .unwrap();
        h.txn_commit("group", 7, &[("a", 0, 9)]).await.unwrap();
        h.txn_commit("other", 7, &[("a", 0, 9)]).await.unwrap();
        h.advance(Duration::from_secs(20)).await;
        assert_eq!(h.groups.expire_offsets().await, 1, "only b");
        assert_eq!(h.fetch("group", "a", 0).await, Some(5));
        assert_eq!(h.fetch("group", "b", 0).await, None);
        assert!(h.groups.describe_group("other").is_ok());
        h.end("group", 7, false).await.unwrap();
        h.end("other", 7, false).await.unwrap();
        // The offset and both groups, which have nothing left.
        assert_eq!(h.groups.expire_offsets().await, 3);
        assert!(h.groups.describe_group("other").is_err());
        assert!(h.groups.describe_group("group").is_err());
    });
}
