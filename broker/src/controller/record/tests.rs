//! Every command, entry and image comes back as it went in; nothing else gets through.

use std::collections::{BTreeMap, BTreeSet};

use openraft::{EmptyNode, EntryPayload};
use proptest::prelude::*;
use prost::Message;

use super::commands::CommandRecord;
use super::entry::{EntryRecord, StoredMembershipRecord};
use super::metadata::{decode_image, encode_image};
use super::*;
use crate::controller::apply::apply;
use crate::controller::command::Command;
use crate::controller::raft_types::{Entry, Membership, StoredMembership};
use crate::controller::testing::{any_command, entry, image_with_brokers, log_id, topic};

fn reread<M: Message + Default>(message: &M) -> M {
    M::decode(message.encode_to_vec().as_slice()).unwrap()
}

proptest! {
    #[test]
    fn commands_are_read_as_written(command in any_command()) {
        let record = CommandRecord::from(&command);
        prop_assert_eq!(Command::try_from(reread(&record)).unwrap(), command);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(record) = CommandRecord::decode(bytes.as_slice()) {
            let read = Command::try_from(record);
            prop_assert!(read.is_ok() || read.is_err());
        }
        if let Ok(record) = EntryRecord::decode(bytes.as_slice()) {
            let read = Entry::try_from(record);
            prop_assert!(read.is_ok() || read.is_err());
        }
        let image = decode_image(&bytes, "c".into());
        prop_assert!(image.is_ok() || image.is_err());
    }

    /// Damage that the checksum did not catch must not panic either.
    #[test]
    fn damaged_images_never_panic(position in any::<prop::sample::Index>(), value in any::<u8>()) {
        let mut bytes = encoded_image();
        let position = position.index(bytes.len());
        bytes[position] = value;
        let image = decode_image(&bytes, "c".into());
        prop_assert!(image.is_ok() || image.is_err());
    }
}

fn encoded_image() -> Vec<u8> {
    let mut image = image_with_brokers(2);
    apply(
        &mut image,
        &Command::CreateTopics(vec![topic("a", 2), topic("b.c", 1)]),
        1,
    );
    encode_image(&image, Some(&log_id(3, 9)), &StoredMembership::default())
}

fn membership() -> Membership {
    let voters = vec![BTreeSet::from([1, 2]), BTreeSet::from([2, 3])];
    let members: BTreeMap<u64, EmptyNode> = [1, 2, 3, 7].map(|id| (id, EmptyNode {})).into();
    Membership::new(voters, members)
}

#[test]
fn entries_of_raft_are_read_as_written() {
    for payload in [EntryPayload::Blank, EntryPayload::Membership(membership())] {
        let entry = Entry {
            log_id: log_id(4, 17),
            payload,
        };
        assert_eq!(
            Entry::try_from(reread(&EntryRecord::from(&entry))).unwrap(),
            entry
        );
    }
    let entry = entry(
        4,
        17,
        vec![Command::AllocateProducerIds { broker_id: 1 }; 3],
    );
    assert_eq!(
        Entry::try_from(reread(&EntryRecord::from(&entry))).unwrap(),
        entry
    );
    let stored = StoredMembership::new(Some(log_id(1, 0)), membership());
    let record = StoredMembershipRecord::from(&stored);
    assert_eq!(StoredMembership::try_from(reread(&record)).unwrap(), stored);
}

#[test]
fn an_image_is_read_as_written() {
    let bytes = encoded_image();
    let (image, last_log_id, _) = decode_image(&bytes, "cluster".into()).unwrap();
    assert_eq!(last_log_id, Some(log_id(3, 9)));
    assert_eq!((image.version(), image.controller_id()), (10, 1));
    assert_eq!(image.topic("a").unwrap().partitions.len(), 2);
    assert_eq!(
        encode_image(&image, Some(&log_id(3, 9)), &StoredMembership::default()).len(),
        bytes.len()
    );
}

#[test]
fn what_this_version_does_not_know_is_an_error() {
    let unknown = |what| Err(RecordError::Unknown { what });
    assert_eq!(
        Command::try_from(CommandRecord::default()),
        unknown("command")
    );
    // Tag 99 of a later version: prost skips it, so the kind is absent.
    let later = [0x9a, 0x06, 0x00];
    let record = CommandRecord::decode(later.as_slice()).unwrap();
    assert_eq!(Command::try_from(record), unknown("command"));
    let truncated = &encoded_image()[..40];
    assert!(decode_image(truncated, "c".into()).is_err());
    let mut longer = encoded_image();
    longer.push(0);
    assert!(decode_image(&longer, "c".into()).is_err());
}

/// The stored bytes of a command must not change unnoticed: old logs hold them.
#[test]
fn the_encoding_is_the_documented_one() {
    let command = Command::CreateTopics(vec![crate::controller::command::NewTopic {
        name: "t".to_owned(),
        id: uuid::Uuid::from_bytes([0xab; 16]),
        assignments: vec![vec![1, 2]],
        configs: [("k".to_owned(), "v".to_owned())].into(),
    }]);
    let mut expected = vec![0x0a, 0x25, 0x0a, 0x23];
    expected.extend([0x0a, 0x01, b't', 0x12, 0x10]);
    expected.extend([0xab; 16]);
    expected.extend([0x1a, 0x04, 0x0a, 0x02, 0x02, 0x04]);
    expected.extend([0x22, 0x06, 0x0a, 0x01, b'k', 0x12, 0x01, b'v']);
    assert_eq!(CommandRecord::from(&command).encode_to_vec(), expected);
}
