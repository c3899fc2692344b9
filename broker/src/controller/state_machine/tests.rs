//! Snapshot plus replay reaches the live state, for any commands and any place of the snapshot.

use openraft::storage::RaftStateMachine;
use proptest::prelude::*;
use tempfile::tempdir;

use super::*;
use crate::controller::command::Command;
use crate::controller::record::entry::EntryRecord;
use crate::controller::testing::{any_command, entry, registration, topic};

fn open(directory: &std::path::Path) -> StateMachine {
    let (snapshots, snapshot) = SnapshotFile::open(directory, "cluster".into()).unwrap();
    StateMachine::new(snapshots, snapshot, "cluster".into())
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// An entry as it is read back from the log.
fn stored(entry: &Entry) -> Entry {
    EntryRecord::from(entry).try_into().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn snapshot_and_replay_equal_the_live_state(
        commands in prop::collection::vec(prop::collection::vec(any_command(), 0..4), 1..40),
        place in any::<prop::sample::Index>(),
        chunk in 1usize..8,
    ) {
        let dir = tempdir().unwrap();
        let first = [1, 2].map(|id| Command::RegisterBroker(registration(id))).to_vec();
        let entries: Vec<Entry> = std::iter::once(first)
            .chain(commands)
            .zip(0u64..)
            .map(|(commands, index)| entry(1 + index / 10, index, commands))
            .collect();
        let place = place.index(entries.len());

        let mut live = open(dir.path());
        let mut outcomes = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            outcomes.extend(block_on(live.apply([entry.clone()])).unwrap());
            if index == place {
                let mut builder = block_on(live.get_snapshot_builder());
                block_on(builder.build_snapshot()).unwrap();
            }
        }

        let mut restarted = open(dir.path());
        let restored = block_on(restarted.applied_state()).unwrap().0;
        prop_assert_eq!(restored, Some(entries[place].log_id));
        let mut again = Vec::new();
        for chunk in entries[place + 1..].chunks(chunk) {
            again.extend(block_on(restarted.apply(chunk.iter().map(stored))).unwrap());
        }
        prop_assert!(restarted.image == live.image);
        prop_assert!(*restarted.published().load() == *live.published().load());
        prop_assert_eq!(&again[..], &outcomes[place + 1..], "replay decides as before");
        let states = [&mut restarted, &mut live].map(|sm| block_on(sm.applied_state()).unwrap());
        prop_assert_eq!(&states[0], &states[1]);
    }
}

#[test]
fn a_received_snapshot_replaces_the_state() {
    let (leader_dir, follower_dir) = (tempdir().unwrap(), tempdir().unwrap());
    let mut leader = open(leader_dir.path());
    let commands = vec![
        Command::RegisterBroker(registration(1)),
        Command::CreateTopics(vec![topic("a", 3)]),
    ];
    block_on(leader.apply([entry(1, 0, commands)])).unwrap();
    let mut builder = block_on(leader.get_snapshot_builder());
    let snapshot = block_on(builder.build_snapshot()).unwrap();

    let mut follower = open(follower_dir.path());
    let mut versions = follower.published().subscribe();
    versions.mark_unchanged();
    block_on(follower.install_snapshot(&snapshot.meta, snapshot.snapshot.clone())).unwrap();
    assert!(versions.has_changed().unwrap());
    assert!(*follower.published().load() == *leader.published().load());
    assert!(
        open(follower_dir.path()).image == leader.image,
        "an installed snapshot is durable"
    );

    let damaged = Box::new(SnapshotBytes(snapshot.snapshot.0[1..].to_vec()));
    assert!(block_on(follower.install_snapshot(&snapshot.meta, damaged)).is_err());
    assert!(
        open(follower_dir.path()).image == leader.image,
        "a damaged one changes nothing"
    );
}
