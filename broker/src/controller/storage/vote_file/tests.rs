//! The vote comes back, or an error.

use std::fs;

use tempfile::tempdir;

use super::*;

#[test]
fn a_vote_is_read_as_written() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("vote");
    assert_eq!(read(&path).unwrap(), None);
    for vote in [
        Vote::new(7, 1),
        Vote::new_committed(7, 1),
        Vote::new(u64::MAX, u64::MAX),
    ] {
        write(&path, &vote).unwrap();
        assert_eq!(read(&path).unwrap(), Some(vote));
    }
}

#[test]
fn every_damage_is_noticed() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("vote");
    write(&path, &Vote::new_committed(7, 1)).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes.len(), FILE_BYTES);
    for position in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[position] ^= 0x10;
        fs::write(&path, &damaged).unwrap();
        assert!(
            matches!(read(&path), Err(StorageError::Corrupt { .. })),
            "byte {position}"
        );
        fs::write(&path, &bytes[..position]).unwrap();
        assert!(
            matches!(read(&path), Err(StorageError::Corrupt { .. })),
            "cut at {position}"
        );
    }
}
