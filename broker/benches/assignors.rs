//! What a change of a large consumer group costs its coordinator: a new target for 2,000 members
//! and 5,000 partitions, computed on the coordinator's thread while it serves nobody else.
//!
//! Three states: a group that starts (nobody owns anything), one that a member joined and one
//! where every other member left; each where all members want the same topics and where they want
//! overlapping thirds of them. Expected: a few milliseconds; below one second even where every
//! topic has to be levelled.
//! `cargo bench -p ringbrook-broker --bench assignors`.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ringbrook_broker::group::assignor::{
    Assignment, GroupAssignment, GroupSpec, MemberId, MemberSpec, TopicId, TopicsDescription,
    assignor_by_name,
};
use uuid::Uuid;

const MEMBER_COUNT: usize = 2_000;
const TOPIC_COUNT: usize = 100;
const PARTITIONS_PER_TOPIC: i32 = 50;

fn topic(index: usize) -> TopicId {
    Uuid::from_u128(index as u128)
}

fn member_id(index: usize) -> MemberId {
    format!("member-{index:05}").into()
}

/// What the member is subscribed to: all topics, or two of three thirds of them.
fn subscription(index: usize, is_same: bool) -> Arc<BTreeSet<TopicId>> {
    let wanted = (0..TOPIC_COUNT).filter(|topic| is_same || topic % 3 != index % 3);
    Arc::new(wanted.map(topic).collect())
}

/// The group of these members, who own what they have in `owned`.
fn group<'a>(
    members: impl Iterator<Item = usize>,
    is_same: bool,
    owned: &'a GroupAssignment,
    nothing: &'a Assignment,
) -> GroupSpec<'a> {
    let spec = |index| {
        let member_id = member_id(index);
        let assignment = owned.get(&member_id).unwrap_or(nothing);
        MemberSpec {
            member_id,
            instance_id: None,
            subscribed_topics: subscription(index, is_same),
            assignment,
        }
    };
    GroupSpec::new(members.map(spec).collect())
}

fn assign(c: &mut Criterion) {
    let topics: TopicsDescription = (0..TOPIC_COUNT)
        .map(|index| (topic(index), PARTITIONS_PER_TOPIC))
        .collect();
    let nothing = Assignment::new();
    let nobody = GroupAssignment::new();
    for name in ["uniform", "range"] {
        let assignor = assignor_by_name(name).expect("the broker has it");
        for (subscriptions, is_same) in [("same", true), ("thirds", false)] {
            let start = group(0..MEMBER_COUNT, is_same, &nobody, &nothing);
            let owned = assignor.assign(&start, &topics).expect("topics exist");
            let joined = group(0..=MEMBER_COUNT, is_same, &owned, &nothing);
            let left = group((0..MEMBER_COUNT).step_by(2), is_same, &owned, &nothing);
            let mut bench = c.benchmark_group(format!("assignors/{name}/{subscriptions}"));
            for (state, group) in [("start", &start), ("joined", &joined), ("left", &left)] {
                bench.bench_function(BenchmarkId::from_parameter(state), |b| {
                    b.iter(|| assignor.assign(black_box(group), &topics));
                });
            }
            bench.finish();
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = assign
}
criterion_main!(benches);
