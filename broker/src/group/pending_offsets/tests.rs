//! Random sequences of commits, transactions, ends and tombstones against a simple model: the log
//! as a list, searched anew for each question.

use proptest::prelude::*;
use uuid::Uuid;

use super::super::offsets::GroupOffsets;
use super::*;

const TOPICS: [&str; 2] = ["a", "b"];
const PARTITIONS: std::ops::Range<i32> = 0..2;
const PRODUCERS: std::ops::Range<i64> = 0..3;

#[derive(Clone, Debug)]
enum Event {
    /// A commit, in a transaction or outside of any.
    Commit {
        topic: usize,
        partition: i32,
        producer_id: Option<i64>,
    },
    Remove {
        topic: usize,
        partition: i32,
    },
    End {
        producer_id: i64,
        is_commit: bool,
    },
}

fn any_event() -> impl Strategy<Value = Event> {
    let place = || (0..TOPICS.len(), PARTITIONS);
    prop_oneof![
        6 => (place(), prop::option::weighted(0.7, PRODUCERS)).prop_map(
            |((topic, partition), producer_id)| Event::Commit { topic, partition, producer_id }
        ),
        1 => place().prop_map(|(topic, partition)| Event::Remove { topic, partition }),
        2 => (PRODUCERS, any::<bool>())
            .prop_map(|(producer_id, is_commit)| Event::End { producer_id, is_commit }),
    ]
}

/// What became of a commit.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Open(i64),
    Committed,
    Gone,
}

/// Every commit there has been: its place, its offset in the log, and what became of it.
#[derive(Default)]
struct Model {
    commits: Vec<((usize, i32), i64, Fate)>,
}

impl Model {
    fn apply(&mut self, event: &Event, log_offset: i64) {
        match *event {
            Event::Commit {
                topic,
                partition,
                producer_id,
            } => {
                let fate = producer_id.map_or(Fate::Committed, Fate::Open);
                self.commits.push(((topic, partition), log_offset, fate));
            }
            Event::Remove { topic, partition } => {
                self.change(|place, _| (place == (topic, partition)).then_some(Fate::Gone))
            }
            Event::End {
                producer_id,
                is_commit,
            } => self.change(|_, fate| {
                let ended = if is_commit {
                    Fate::Committed
                } else {
                    Fate::Gone
                };
                (fate == Fate::Open(producer_id)).then_some(ended)
            }),
        }
    }

    fn change(&mut self, rule: impl Fn((usize, i32), Fate) -> Option<Fate>) {
        for (place, _, fate) in &mut self.commits {
            *fate = rule(*place, *fate).unwrap_or(*fate);
        }
    }

    fn committed(&self, wanted: (usize, i32)) -> Option<i64> {
        let commits = self.commits.iter();
        let committed =
            commits.filter(|(place, _, fate)| *place == wanted && *fate == Fate::Committed);
        committed.map(|(_, log_offset, _)| *log_offset).max()
    }

    fn is_open(&self, wanted: (usize, i32)) -> bool {
        let mut commits = self.commits.iter();
        commits.any(|(place, _, fate)| *place == wanted && matches!(fate, Fate::Open(_)))
    }
}

fn committed(log_offset: i64) -> CommittedOffset {
    CommittedOffset {
        offset: log_offset,
        leader_epoch: -1,
        metadata: Arc::from(""),
        commit_timestamp_ms: 0,
        expire_timestamp_ms: None,
        topic_id: Uuid::nil(),
        log_offset,
    }
}

fn apply(offsets: &mut GroupOffsets, event: &Event, log_offset: i64) {
    match *event {
        Event::Commit {
            topic,
            partition,
            producer_id,
        } => {
            let topic = Arc::from(TOPICS[topic]);
            match producer_id {
                Some(id) => offsets.add_pending(id, &topic, partition, committed(log_offset)),
                None => offsets.apply(&topic, partition, committed(log_offset)),
            }
        }
        Event::Remove { topic, partition } => {
            offsets.remove(TOPICS[topic], partition);
        }
        Event::End {
            producer_id,
            is_commit,
        } => offsets.end_transaction(producer_id, is_commit),
    }
}

fn check(offsets: &GroupOffsets, model: &Model) {
    let mut is_empty = true;
    for (index, topic) in TOPICS.into_iter().enumerate() {
        let mut with_offsets = Vec::new();
        for partition in PARTITIONS {
            let found = offsets.committed(topic, Uuid::nil(), partition);
            let place = (index, partition);
            let (expected, is_open) = (model.committed(place), model.is_open(place));
            assert_eq!(
                found.map(|found| found.offset),
                expected,
                "{topic} {partition}"
            );
            assert_eq!(
                offsets.is_unstable(topic, partition),
                is_open,
                "{topic} {partition}"
            );
            if is_open || expected.is_some() {
                with_offsets.push(partition);
            }
        }
        assert_eq!(offsets.partitions_of(topic), with_offsets);
        let all = offsets.partitions();
        let listed: Vec<i32> = all.get(topic).into_iter().flatten().copied().collect();
        assert_eq!(listed, with_offsets);
        is_empty &= with_offsets.is_empty();
    }
    assert_eq!(offsets.is_empty(), is_empty);
    let open: BTreeSet<i64> = offsets.open_transactions().collect();
    let expected: BTreeSet<i64> = PRODUCERS
        .filter(|id| {
            model
                .commits
                .iter()
                .any(|(_, _, fate)| *fate == Fate::Open(*id))
        })
        .collect();
    assert_eq!(open, expected);
}

proptest! {
    #[test]
    fn offsets_are_what_a_list_of_all_commits_says(
        events in prop::collection::vec(any_event(), 0..80),
    ) {
        let (mut offsets, mut model) = (GroupOffsets::default(), Model::default());
        for (event, log_offset) in events.iter().zip(0..) {
            apply(&mut offsets, event, log_offset);
            model.apply(event, log_offset);
            check(&offsets, &model);
        }
    }
}

#[test]
fn taking_a_transaction_gives_the_last_offset_of_each_partition_once() {
    let mut pending = PendingOffsets::default();
    let topic: Arc<str> = Arc::from("t");
    for (partition, log_offset) in [(1, 1), (0, 2), (1, 3)] {
        pending.add(7, &topic, partition, committed(log_offset));
    }
    pending.add(8, &topic, 1, committed(4));
    let taken: Vec<(i32, i64)> = pending
        .take(7)
        .into_iter()
        .map(|(_, partition, committed)| (partition, committed.log_offset))
        .collect();
    assert_eq!(taken, [(0, 2), (1, 3)]);
    assert!(pending.take(7).is_empty());
    assert!(pending.contains("t", 1) && !pending.contains("t", 0));
    pending.remove("t", 1);
    assert!(pending.is_empty() && pending.producers().next().is_none());
}
