//! Groups with members of both protocols, under random joins, leaves, crashes, restarts of the
//! coordinator and growing topics: nobody ever uses a partition that another uses, and once it is
//! quiet, everybody soon has what the group says, each partition with exactly one owner.
//!
//! `world` is the group and its time, `consumer_client` and `classic_client` are small models of
//! the clients. A partition counts as used from the moment a client is told that it may use it,
//! until the client itself stops, leaves or crashes; sessions are long enough that no client is
//! taken for dead that lives. A crashed client uses nothing, but the coordinator does not know.

mod classic_client;
mod consumer_client;
mod world;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use world::{Event, World};

use super::harness::on_a_core;

fn event(burst_max: usize) -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (1..burst_max).prop_map(Event::ConsumersJoin),
        3 => (1..burst_max).prop_map(Event::ClassicMembersJoin),
        2 => vec(any::<Index>(), 1..burst_max).prop_map(Event::Leave),
        1 => vec(any::<Index>(), 1..burst_max).prop_map(Event::Crash),
        1 => vec(any::<Index>(), 1..burst_max).prop_map(Event::ChangeProtocol),
        1 => Just(Event::AllConsumersLeave),
        1 => Just(Event::AllClassicMembersLeave),
        1 => Just(Event::CoordinatorRestarts),
        1 => any::<Index>().prop_map(Event::TopicGrows),
    ]
}

/// Events with the ticks that pass after each.
fn history(burst_max: usize, len: usize) -> impl Strategy<Value = Vec<(Event, usize)>> {
    vec((event(burst_max), 0..12_usize), 1..len)
}

fn converges(history: Vec<(Event, usize)>, is_cooperative: bool) {
    on_a_core(async move {
        let mut world = World::new(is_cooperative).await;
        for (event, ticks) in history {
            world.happen(event).await;
            for _ in 0..ticks {
                world.tick().await;
            }
        }
        world.assert_converges().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn groups_of_cooperative_members_converge(history in history(6, 14)) {
        converges(history, true);
    }

    #[test]
    fn groups_of_eager_members_converge(history in history(6, 14)) {
        converges(history, false);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]

    #[test]
    fn groups_of_hundreds_converge(history in history(150, 8), is_cooperative: bool) {
        converges(history, is_cooperative);
    }
}

/// A group is upgraded member by member and downgraded again, as in a rolling restart.
#[test]
fn a_rolling_upgrade_and_downgrade_converges() {
    for is_cooperative in [true, false] {
        on_a_core(async move {
            let mut world = World::new(is_cooperative).await;
            world.happen(Event::ClassicMembersJoin(5)).await;
            world.assert_converges().await;
            assert_eq!(world.kind(), "classic");
            for to_consumer in [true, false] {
                for _ in 0..5 {
                    world.roll_one(to_consumer).await;
                    world.assert_converges().await;
                }
                assert_eq!(
                    world.kind(),
                    if to_consumer { "consumer" } else { "classic" }
                );
            }
        });
    }
}
