//! Tests of the metadata files: round trips, Kafka's exact text, malformed input.

use std::path::Path;

use proptest::prelude::*;
use uuid::Uuid;

use super::topic_id::decode_id;
use super::*;
use crate::error::EngineError;
use crate::io::{Disk, SimDisk};

fn disk_with_dir() -> SimDisk {
    let disk = SimDisk::new(1);
    disk.create_dir_all(Path::new("/d")).unwrap();
    disk
}

fn write(disk: &SimDisk, path: &str, content: &str) {
    disk.replace_file(Path::new(path), content.as_bytes())
        .unwrap();
}

#[test]
fn offset_checkpoint_has_kafkas_text() {
    let offsets = PartitionOffsets::from([(("a.b".into(), 0), 7), (("c".into(), 12), 0)]);
    let lines = offsets
        .iter()
        .map(|((topic, partition), &offset)| (topic.as_str(), *partition, offset));
    let text = render_offsets(lines);
    assert_eq!(text, "0\n2\na.b 0 7\nc 12 0\n");
    assert_eq!(offset_checkpoint::parse(text.as_bytes()), Ok(offsets));
    assert_eq!(offset_checkpoint::parse(b""), Ok(PartitionOffsets::new()));
}

/// The decoder of Java's properties panicked on a file that ends in a byte order mark.
#[test]
fn meta_properties_that_are_no_ascii_are_refused() {
    assert!(MetaProperties::parse(&[0xef]).is_err());
}

#[test]
fn malformed_offset_checkpoint_counts_as_empty() {
    for text in [
        "1\n0\n",
        "0\nx\n",
        "0\n2\na 0 1\n",
        "0\n1\na 0\n",
        "0\n0\na 0 1\n",
        "0\n1\na 0 -1\n",
    ] {
        assert!(
            offset_checkpoint::parse(text.as_bytes()).is_err(),
            "{text:?}"
        );
        let disk = disk_with_dir();
        write(&disk, "/d/replication-offset-checkpoint", text);
        let read = OffsetCheckpoint::HighWatermark
            .read(&disk, Path::new("/d"))
            .unwrap();
        assert!(read.is_empty(), "{text:?}");
    }
}

#[test]
fn meta_properties_round_trip_and_read_kafkas_file() {
    let meta = MetaProperties {
        cluster_id: "a b=c\\#:!".to_owned(),
        node_id: 3,
        directory_id: Some(random_id()),
    };
    assert_eq!(MetaProperties::parse(meta.render().as_bytes()), Ok(meta));
    let kafka = "#\n#Sat Nov 21 02:00:00 UTC 2026\ncluster.id=5L6g3nShT-eMCtK--X86sw\n\
        directory.id=JKFAXGx0QmGGrPxVYbZlxg\nnode.id=1\nversion=1\n";
    let read = MetaProperties::parse(kafka.as_bytes()).unwrap();
    assert_eq!(
        (read.node_id, read.cluster_id.as_str()),
        (1, "5L6g3nShT-eMCtK--X86sw")
    );
    assert_eq!(
        read.directory_id.map(encode_id).as_deref(),
        Some("JKFAXGx0QmGGrPxVYbZlxg")
    );
    let old = MetaProperties::parse(b"version=0\nbroker.id=7\ncluster.id=x\n").unwrap();
    assert_eq!((old.node_id, old.directory_id), (7, None));
}

#[test]
fn malformed_meta_properties_are_errors() {
    for text in [
        "",
        "version=2\nnode.id=1\ncluster.id=x",
        "version=1\nnode.id=a\ncluster.id=x",
        "version=1\nnode.id=1",
        "version=1\nnode.id=1\ncluster.id=x\ndirectory.id=short",
    ] {
        let disk = disk_with_dir();
        write(&disk, "/d/meta.properties", text);
        let result = MetaProperties::read(&disk, Path::new("/d"));
        assert!(
            matches!(result, Err(EngineError::CorruptFile { .. })),
            "{text:?}: {result:?}"
        );
    }
}

#[test]
fn partition_metadata_round_trips() {
    let metadata = PartitionMetadata {
        topic_id: Uuid::from_u128(0x0123_4567_89ab_cdef),
    };
    assert_eq!(
        metadata.render(),
        "version: 0\ntopic_id: AAAAAAAAAAABI0VniavN7w\n"
    );
    let disk = disk_with_dir();
    assert_eq!(
        PartitionMetadata::read(&disk, Path::new("/d")).unwrap(),
        None
    );
    metadata.write(&disk, Path::new("/d")).unwrap();
    assert_eq!(
        PartitionMetadata::read(&disk, Path::new("/d")).unwrap(),
        Some(metadata)
    );
    write(
        &disk,
        "/d/partition.metadata",
        "version: 1\ntopic_id: AAAAAAAAAAABI0VniavN7w\n",
    );
    assert!(PartitionMetadata::read(&disk, Path::new("/d")).is_err());
}

#[test]
fn clean_shutdown_marker_is_taken_once_and_durably() {
    let disk = disk_with_dir();
    disk.sync_dir(Path::new("/")).unwrap();
    let marker = CleanShutdownMarker::of(Path::new("/d"));
    assert!(!marker.take(&disk).unwrap());
    marker.write(&disk).unwrap();
    let disk = disk.restart();
    assert!(marker.take(&disk).unwrap(), "a written marker survives");
    let disk = disk.restart();
    assert!(
        !marker.take(&disk).unwrap(),
        "a taken marker does not come back"
    );
}

proptest! {
    #[test]
    fn ids_round_trip(bits: u128) {
        let id = Uuid::from_u128(bits);
        prop_assert_eq!(decode_id(&encode_id(id)), Some(id));
    }

    #[test]
    fn parsers_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        drop(offset_checkpoint::parse(&bytes));
        drop(MetaProperties::parse(&bytes));
        let parsed = PartitionMetadata::parse(&bytes);
        prop_assert!(parsed.is_none() || bytes.starts_with(b"version:"));
        let id = std::str::from_utf8(&bytes).ok().and_then(decode_id);
        prop_assert!(id.is_none() || bytes.len() == 22);
    }
}
