//! The log survives being cut anywhere, and notices every damage.

use std::fs;

use openraft::EntryPayload;
use proptest::prelude::*;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::controller::command::{Command, FeatureLevel};
use crate::controller::testing::{entry, log_id};

/// A log of five frames with 1, 2, 3, 1 and 2 entries.
fn sample() -> (TempDir, Vec<Vec<Entry>>, Vec<usize>) {
    let dir = tempdir().unwrap();
    let mut log = LogFile::open(dir.path()).unwrap().file;
    let mut index = 0;
    let (mut frames, mut ends) = (Vec::new(), Vec::new());
    for len in [1u64, 2, 3, 1, 2] {
        let frame: Vec<Entry> = (index..index + len)
            .map(|index| {
                let feature = FeatureLevel {
                    name: format!("f{index}"),
                    level: 1,
                    seen: None,
                };
                entry(1, index, vec![Command::UpdateFeatures(vec![feature])])
            })
            .collect();
        index += len;
        log.append(&frame).unwrap();
        frames.push(frame);
        ends.push(usize::try_from(log.len_bytes()).unwrap());
    }
    (dir, frames, ends)
}

#[test]
fn entries_are_read_as_appended() {
    let (dir, frames, _) = sample();
    let recovered = LogFile::open(dir.path()).unwrap();
    assert_eq!(recovered.entries, frames.concat());
    assert_eq!(recovered.torn_bytes, 0);
    assert_eq!(recovered.file.purged(), None);
}

/// Cut at every byte: all frames that end before the cut are there, the torn one is gone, and the
/// log takes new entries in its place.
#[test]
fn cut_anywhere_the_acknowledged_entries_are_there() {
    let (dir, frames, ends) = sample();
    let path = dir.path().join("log");
    let bytes = fs::read(&path).unwrap();
    for cut in 0..bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        if cut < HEADER_BYTES {
            // The header is only ever written as a whole, by rename.
            assert!(matches!(
                LogFile::open(dir.path()),
                Err(StorageError::Corrupt { .. })
            ));
            continue;
        }
        let whole = ends.iter().filter(|end| **end <= cut).count();
        let mut recovered = LogFile::open(dir.path()).unwrap();
        let kept = frames[..whole].concat();
        assert_eq!(recovered.entries, kept, "cut at {cut}");
        let end = ends[..whole].last().copied().unwrap_or(HEADER_BYTES);
        assert_eq!(recovered.torn_bytes, (cut - end) as u64, "cut at {cut}");
        let next = entry(2, kept.len() as u64, Vec::new());
        recovered.file.append(std::slice::from_ref(&next)).unwrap();
        let again = LogFile::open(dir.path()).unwrap();
        assert_eq!(again.entries.last(), Some(&next));
        assert_eq!((again.entries.len(), again.torn_bytes), (kept.len() + 1, 0));
    }
}

/// Change every byte in turn: damage in front of a good frame stops the open; damage in the last
/// frame can't be told from a torn write and loses that frame; nothing else is ever read.
#[test]
fn every_changed_byte_is_noticed() {
    let (dir, frames, ends) = sample();
    let path = dir.path().join("log");
    let bytes = fs::read(&path).unwrap();
    let last_frame = ends[ends.len() - 2];
    for position in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[position] ^= flip;
            fs::write(&path, &damaged).unwrap();
            match LogFile::open(dir.path()) {
                Ok(recovered) => {
                    assert!(last_frame <= position, "byte {position} went unnoticed");
                    assert_eq!(recovered.entries, frames[..frames.len() - 1].concat());
                }
                Err(StorageError::Corrupt { .. }) => assert!(position < last_frame),
                Err(other) => panic!("byte {position}: {other}"),
            }
        }
    }
}

#[test]
fn a_log_of_a_later_format_is_refused() {
    let (dir, ..) = sample();
    let path = dir.path().join("log");
    let mut bytes = fs::read(&path).unwrap();
    bytes[11] = 2;
    let crc = crc32c::crc32c(&bytes[..CRC_OFFSET]);
    bytes[CRC_OFFSET..HEADER_BYTES].copy_from_slice(&crc.to_be_bytes());
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(
        LogFile::open(dir.path()),
        Err(StorageError::UnknownFormat {
            found: 2,
            known: 1,
            ..
        })
    ));
}

/// A client may choose the bytes inside a frame. A frame it puts there must not turn a torn write
/// into "damage with good frames behind it": it can't know the salt.
#[test]
fn a_frame_inside_a_torn_frame_does_not_count() {
    let dir = tempdir().unwrap();
    let mut log = LogFile::open(dir.path()).unwrap().file;
    let forged = encode_frame(&log.path, log.salt ^ 1, &[entry(1, 0, Vec::new())]).unwrap();
    let mut torn = FRAME_MAGIC.to_vec();
    torn.extend([0, 0, 4, 0, 1, 2, 3, 4]);
    torn.extend(&forged);
    torn.extend(&forged);
    log.append(&[entry(1, 0, Vec::new())]).unwrap();
    let path = dir.path().join("log");
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend(&torn);
    fs::write(&path, &bytes).unwrap();
    let recovered = LogFile::open(dir.path()).unwrap();
    assert_eq!(
        (recovered.entries.len(), recovered.torn_bytes),
        (1, torn.len() as u64)
    );
}

#[test]
fn a_rewrite_replaces_entries_and_remembers_the_purge() {
    let (dir, frames, _) = sample();
    let all = frames.concat();
    let mut log = LogFile::open(dir.path()).unwrap().file;
    let before = log.len_bytes();
    log.rewrite(Some(log_id(1, 5)), &all[6..]).unwrap();
    assert!(log.len_bytes() < before);
    log.append(&[entry(1, 9, Vec::new())]).unwrap();
    let recovered = LogFile::open(dir.path()).unwrap();
    assert_eq!(recovered.file.purged(), Some(log_id(1, 5)));
    assert_eq!(recovered.entries[..3], all[6..]);
    assert_eq!(recovered.entries[3].log_id, log_id(1, 9));
    drop(recovered);
    let mut log = LogFile::open(dir.path()).unwrap().file;
    log.rewrite(Some(log_id(1, 9)), &[]).unwrap();
    assert_eq!(log.len_bytes(), HEADER_BYTES as u64);
    assert_eq!(
        LogFile::open(dir.path()).unwrap().file.purged(),
        Some(log_id(1, 9))
    );
}

#[test]
fn entries_out_of_sequence_are_damage() {
    for wrong in [
        entry(1, 2, Vec::new()),
        entry(1, 0, Vec::new()),
        entry(0, 1, Vec::new()),
    ] {
        let dir = tempdir().unwrap();
        let mut log = LogFile::open(dir.path()).unwrap().file;
        log.append(&[entry(1, 0, Vec::new()), wrong]).unwrap();
        assert!(matches!(
            LogFile::open(dir.path()),
            Err(StorageError::Corrupt { .. })
        ));
    }
    let dir = tempdir().unwrap();
    let mut log = LogFile::open(dir.path()).unwrap().file;
    log.rewrite(Some(log_id(1, 7)), &[entry(1, 9, Vec::new())])
        .unwrap();
    assert!(matches!(
        LogFile::open(dir.path()),
        Err(StorageError::Corrupt { .. })
    ));
}

/// After a failed write nothing is known about the file, so nothing more is written to it.
#[test]
fn a_failed_write_is_final() {
    let (dir, frames, _) = sample();
    let mut log = LogFile::open(dir.path()).unwrap().file;
    log.file = File::open(&log.path).unwrap();
    let next = [entry(1, 9, Vec::new())];
    assert!(matches!(
        log.append(&next),
        Err(StorageError::Io {
            operation: "write",
            ..
        })
    ));
    log.file = open_existing(&log.path).unwrap();
    assert!(matches!(
        log.append(&next),
        Err(StorageError::Poisoned { .. })
    ));
    assert!(matches!(
        log.rewrite(None, &[]),
        Err(StorageError::Poisoned { .. })
    ));
    assert_eq!(LogFile::open(dir.path()).unwrap().entries, frames.concat());
}

proptest! {
    #[test]
    fn arbitrary_bytes_behind_good_frames_never_panic(
        junk in prop::collection::vec(any::<u8>(), 0..300), with_magic in any::<bool>()
    ) {
        let path = Path::new("log");
        let mut bytes = encode_header(5, None);
        let good = [entry(1, 0, Vec::new()), entry(1, 1, Vec::new())];
        bytes.extend(encode_frame(path, 5, &good).unwrap());
        let end = bytes.len();
        if with_magic {
            bytes.extend(FRAME_MAGIC);
        }
        bytes.extend(&junk);
        prop_assert_eq!(read_frames(path, &bytes, 5).unwrap(), (good.to_vec(), end));
    }

    #[test]
    fn arbitrary_headers_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        prop_assert!(read_header(Path::new("log"), &bytes).is_err());
    }
}

/// The bytes of header and frame must not change unnoticed: old logs have them.
#[test]
fn the_format_is_the_documented_one() {
    let header = encode_header(0x0102_0304_0506_0708, Some(&log_id(3, 9)));
    let mut expected = b"RBMETLOG\0\0\0\x01\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\x01".to_vec();
    expected.extend([
        0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9,
    ]);
    expected.extend(crc32c::crc32c(&expected).to_be_bytes());
    assert_eq!(header, expected);
    let blank = Entry {
        log_id: log_id(3, 9),
        payload: EntryPayload::Blank,
    };
    let frame = encode_frame(Path::new("log"), 5, &[blank]).unwrap();
    let payload = [
        0x0a, 0x0a, 0x0a, 0x06, 0x08, 3, 0x10, 1, 0x18, 9, 0x12, 0x00,
    ];
    let mut covered = 5u64.to_be_bytes().to_vec();
    covered.extend(12u32.to_be_bytes());
    covered.extend(payload);
    let mut expected = b"RBMF\0\0\0\x0c".to_vec();
    expected.extend(crc32c::crc32c(&covered).to_be_bytes());
    expected.extend(payload);
    assert_eq!(frame, expected);
}
