//! openraft's own suite over our storage, and what the suite does not ask.

use openraft::testing::{StoreBuilder, Suite};
use tempfile::{TempDir, tempdir};

use super::*;
use crate::controller::state_machine::StateMachine;
use crate::controller::storage::SnapshotFile;
use crate::controller::testing::{entry, log_id};

struct Builder;

impl StoreBuilder<TypeConfig, LogStore, StateMachine, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), RaftStorageError> {
        let dir = tempdir().unwrap();
        let (snapshots, snapshot) = SnapshotFile::open(dir.path(), "cluster".into()).unwrap();
        let store = LogStore::open(dir.path()).unwrap().store;
        Ok((
            dir,
            store,
            StateMachine::new(snapshots, snapshot, "cluster".into()),
        ))
    }
}

#[test]
fn the_storage_suite_of_openraft_passes() {
    Suite::test_all(Builder).unwrap();
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn vote_and_log_state_survive_a_reopen() {
    let dir = tempdir().unwrap();
    let mut recovered = LogStore::open(dir.path()).unwrap();
    let vote = Vote::new_committed(3, 1);
    block_on(recovered.store.save_vote(&vote)).unwrap();
    let entries: Vec<Entry> = (0..10).map(|index| entry(3, index, Vec::new())).collect();
    recovered.store.append_entries(entries.into_iter()).unwrap();
    block_on(recovered.store.purge(log_id(3, 4))).unwrap();
    block_on(recovered.store.truncate(log_id(3, 8))).unwrap();
    assert!(
        block_on(recovered.store.purge(log_id(3, 2))).is_ok(),
        "an older purge does nothing"
    );
    let mut recovered = LogStore::open(dir.path()).unwrap();
    assert_eq!(
        (recovered.entries, recovered.purged),
        (3, Some(log_id(3, 4)))
    );
    assert_eq!(block_on(recovered.store.read_vote()).unwrap(), Some(vote));
    let state = block_on(recovered.store.get_log_state()).unwrap();
    assert_eq!(state.last_purged_log_id, Some(log_id(3, 4)));
    assert_eq!(state.last_log_id, Some(log_id(3, 7)));
    let read = block_on(recovered.store.try_get_log_entries(0..100)).unwrap();
    assert_eq!(read.first().unwrap().log_id, log_id(3, 5));
    assert!(
        block_on(recovered.store.try_get_log_entries(8..8))
            .unwrap()
            .is_empty()
    );
    let all = block_on(recovered.store.try_get_log_entries(..)).unwrap();
    assert_eq!(all.len(), 3);
    let one = block_on(recovered.store.try_get_log_entries(6..=6)).unwrap();
    assert_eq!(one[0].log_id, log_id(3, 6));
}

/// A node whose vote is lost could vote a second time in a term.
#[test]
fn a_vote_older_than_the_log_is_refused() {
    let dir = tempdir().unwrap();
    let recovered = LogStore::open(dir.path()).unwrap();
    recovered
        .store
        .lock()
        .file
        .append(&[entry(2, 0, Vec::new())])
        .unwrap();
    assert!(matches!(
        LogStore::open(dir.path()),
        Err(StorageError::Corrupt { .. })
    ));
    vote_file::write(&dir.path().join("vote"), &Vote::new_committed(1, 1)).unwrap();
    assert!(matches!(
        LogStore::open(dir.path()),
        Err(StorageError::Corrupt { .. })
    ));
    vote_file::write(&dir.path().join("vote"), &Vote::new_committed(2, 1)).unwrap();
    assert_eq!(LogStore::open(dir.path()).unwrap().entries, 1);
}
