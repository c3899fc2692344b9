//! A snapshot comes back, or an error; a later one is not replaced by an earlier one.

use std::fs;

use tempfile::tempdir;

use super::*;
use crate::controller::apply::apply;
use crate::controller::command::Command;
use crate::controller::storage::prepare_directory;
use crate::controller::testing::{image_with_brokers, log_id, topic};

fn image() -> MetadataImage {
    let mut image = image_with_brokers(1);
    apply(&mut image, &Command::CreateTopics(vec![topic("a", 2)]), 1);
    image.place_at(Some(&log_id(2, 5)));
    image
}

#[test]
fn a_snapshot_is_read_as_written() {
    let dir = tempdir().unwrap();
    let (file, none) = SnapshotFile::open(dir.path(), "cluster".into()).unwrap();
    assert!(none.is_none());
    let (meta, content) = file
        .write(&image(), Some(log_id(2, 5)), StoredMembership::default())
        .unwrap();
    let (_, stored) = SnapshotFile::open(dir.path(), "cluster".into()).unwrap();
    let stored = stored.unwrap();
    assert!(stored.image == image());
    assert_eq!((stored.meta, stored.content), (meta, content));
}

#[test]
fn an_earlier_snapshot_does_not_replace_a_later_one() {
    let dir = tempdir().unwrap();
    let (file, _) = SnapshotFile::open(dir.path(), "cluster".into()).unwrap();
    file.write(&image(), Some(log_id(2, 5)), StoredMembership::default())
        .unwrap();
    let (file, _) = SnapshotFile::open(dir.path(), "cluster".into()).unwrap();
    file.write(
        &image_with_brokers(1),
        Some(log_id(2, 4)),
        StoredMembership::default(),
    )
    .unwrap();
    assert_eq!(
        file.read().unwrap().unwrap().meta.last_log_id,
        Some(log_id(2, 5))
    );
    file.write(
        &image_with_brokers(1),
        Some(log_id(2, 6)),
        StoredMembership::default(),
    )
    .unwrap();
    assert_eq!(file.read().unwrap().unwrap().image.topic_count(), 0);
}

#[test]
fn every_damage_is_noticed() {
    let dir = tempdir().unwrap();
    let (file, _) = SnapshotFile::open(dir.path(), "cluster".into()).unwrap();
    file.write(&image(), Some(log_id(2, 5)), StoredMembership::default())
        .unwrap();
    let path = dir.path().join("snapshot");
    let bytes = fs::read(&path).unwrap();
    for position in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[position] ^= 0x10;
        fs::write(&path, &damaged).unwrap();
        let expected_format = (8..12).contains(&position);
        match file.read() {
            Err(StorageError::Corrupt { .. }) => assert!(!expected_format, "byte {position}"),
            Err(StorageError::UnknownFormat { .. }) => assert!(expected_format),
            other => panic!("byte {position}: {other:?}"),
        }
        fs::write(&path, &bytes[..position]).unwrap();
        assert!(
            matches!(file.read(), Err(StorageError::Corrupt { .. })),
            "cut at {position}"
        );
    }
}

#[test]
fn what_an_interrupted_replacement_left_is_removed() {
    let dir = tempdir().unwrap();
    let metadata = dir.path().join("new").join("ringbrook.metadata");
    prepare_directory(&metadata).unwrap();
    fs::write(metadata.join("snapshot.tmp"), b"half").unwrap();
    fs::write(metadata.join("log"), b"kept").unwrap();
    prepare_directory(&metadata).unwrap();
    assert!(!metadata.join("snapshot.tmp").exists());
    assert!(metadata.join("log").exists());
}
