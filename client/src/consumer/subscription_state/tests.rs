//! Tests of the subscription's rules.

use super::*;

fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

fn at(offset: i64, epoch: Option<i32>) -> OffsetAndMetadata {
    OffsetAndMetadata::new(offset).with_leader_epoch(epoch)
}

const LEADER: LeaderAndEpoch = LeaderAndEpoch {
    leader: Some(1),
    epoch: Some(3),
};

fn assigned(partitions: &[i32]) -> SubscriptionState {
    let mut state = SubscriptionState::new(AutoOffsetReset::Latest);
    state.assign(partitions.iter().map(|it| tp(*it))).unwrap();
    state
}

fn topics(names: &[&str]) -> Subscription {
    Subscription::Topics(names.iter().map(|name| Arc::from(*name)).collect())
}

#[test]
fn subscribe_and_assign_exclude_each_other() {
    let mut state = assigned(&[0]);
    state.subscribe(topics(&["t"])).unwrap_err();
    state.unsubscribe();
    assert!(state.assigned_partitions().is_empty());
    state.subscribe(topics(&["t"])).unwrap();
    state.assign([tp(0)]).unwrap_err();
    assert!(state.is_auto_assigned());
    assert_eq!(state.subscribed_topics().len(), 1);
}

#[test]
fn what_stays_assigned_keeps_its_position() {
    let mut state = assigned(&[0, 1]);
    state.seek(&tp(0), &at(5, None), LEADER).unwrap();
    state.seek(&tp(1), &at(6, None), LEADER).unwrap();
    state.assign([tp(0), tp(2)]).unwrap();
    assert_eq!(state.position(&tp(0)).unwrap().unwrap().offset, 5);
    assert_eq!(state.position(&tp(2)).unwrap(), None);
    state.position(&tp(1)).unwrap_err();
    state.assign([tp(1)]).unwrap();
    assert_eq!(state.position(&tp(1)).unwrap(), None);
}

#[test]
fn new_partitions_are_read_after_the_listener_was_told() {
    let mut state = SubscriptionState::new(AutoOffsetReset::Latest);
    state.subscribe(topics(&["t"])).unwrap();
    state.assign_from_subscribed([tp(0)], true);
    state.seek(&tp(0), &at(0, None), LEADER).unwrap();
    assert!(!state.partition(&tp(0)).unwrap().is_readable());
    state.enable_assigned(&[tp(0)]);
    assert!(state.partition(&tp(0)).unwrap().is_readable());
    state.mark_pending_revocation(&[tp(0)]);
    assert!(!state.partition(&tp(0)).unwrap().is_readable());
}

#[test]
fn only_found_positions_are_committed() {
    let mut state = assigned(&[0, 1, 2]);
    state.seek(&tp(0), &at(5, None), LEADER).unwrap();
    state.seek(&tp(1), &at(6, Some(2)), LEADER).unwrap();
    state.request_reset(&tp(2), None).unwrap();
    let consumed = state.all_consumed();
    assert_eq!(consumed.len(), 2);
    assert_eq!(consumed[&tp(0)], at(5, None));
    // One that another leader has to confirm was read, all the same.
    assert_eq!(consumed[&tp(1)], at(6, Some(2)));
    let state_of = |it| state.partition(&tp(it)).unwrap().fetch_state;
    assert_eq!(state_of(1), FetchState::AwaitValidation);
    assert_eq!(state_of(2), FetchState::AwaitReset(AutoOffsetReset::Latest));
}

#[test]
fn a_seek_beats_a_reset_that_was_under_way() {
    let mut state = assigned(&[0]);
    state.request_reset(&tp(0), None).unwrap();
    let generation = state.partition(&tp(0)).unwrap().generation;
    state.seek(&tp(0), &at(5, None), LEADER).unwrap();
    let found = FetchPosition {
        offset: 9,
        offset_epoch: None,
        current_leader: LEADER,
    };
    state.finish_reset(&tp(0), generation, found);
    assert_eq!(state.position(&tp(0)).unwrap().unwrap().offset, 5);
    state
        .request_reset(&tp(0), Some(AutoOffsetReset::Earliest))
        .unwrap();
    let generation = state.partition(&tp(0)).unwrap().generation;
    state.finish_reset(&tp(0), generation, found);
    assert_eq!(state.position(&tp(0)).unwrap().unwrap().offset, 9);
}

#[test]
fn every_move_has_a_generation_of_its_own() {
    let mut state = assigned(&[0]);
    let mut seen = HashSet::new();
    let mut check = |state: &SubscriptionState| {
        let generation = state.partition(&tp(0)).unwrap().generation;
        assert!(seen.insert(generation), "{generation} came twice");
    };
    check(&state);
    state.seek(&tp(0), &at(5, None), LEADER).unwrap();
    check(&state);
    state.request_reset(&tp(0), None).unwrap();
    check(&state);
    state.unsubscribe();
    state.assign([tp(0)]).unwrap();
    check(&state);
}

#[test]
fn lag_goes_by_what_the_isolation_level_lets_read() {
    let mut state = assigned(&[0]);
    let lag = |state: &SubscriptionState, isolation| state.lag(&tp(0), isolation).unwrap();
    assert_eq!(lag(&state, IsolationLevel::ReadUncommitted), None);
    state.seek(&tp(0), &at(5, None), LEADER).unwrap();
    let known = state.partition_mut(&tp(0)).unwrap();
    known.high_watermark = Some(10);
    known.last_stable_offset = Some(4);
    assert_eq!(lag(&state, IsolationLevel::ReadUncommitted), Some(5));
    assert_eq!(lag(&state, IsolationLevel::ReadCommitted), Some(0));
}
