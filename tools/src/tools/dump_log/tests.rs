//! Tests of [`super`]. The lines are those that Kafka's tool prints for the same files; the client
//! matrix compares them with a Kafka that runs.

use std::cell::RefCell;
use std::fs;
use std::io::{self, Write};
use std::rc::Rc;

use ringbrook_record::{BatchBuilder, Codec, EndTransactionMarker};
use tempfile::TempDir;

use super::*;

#[derive(Clone, Default)]
struct Text(Rc<RefCell<Vec<u8>>>);

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Text {
    fn take(&self) -> String {
        String::from_utf8(self.0.take()).unwrap()
    }
}

/// What the tool prints for one file: standard output and standard error, or what it failed with.
fn dump_file(dir: &TempDir, name: &str, arguments: &[&str]) -> Result<(String, String), Failure> {
    let path = dir.path().join(name);
    let files = path.to_str().unwrap();
    let matches = TOOL
        .command("rbk dump-log")
        .try_get_matches_from(["dump-log", "--files", files].iter().chain(arguments))
        .unwrap();
    let (out, err) = (Text::default(), Text::default());
    let mut context = Context::new(Box::new(out.clone()), Box::new(err.clone()));
    run(&Options::new(&matches), &mut context)?;
    let shorten = |text: String| text.replace(&format!("{}/", dir.path().display()), "");
    Ok((shorten(out.take()), shorten(err.take())))
}

/// Two batches at offsets 5 and 7: two records of a producer, and the end of a transaction.
fn segment(codec: Codec) -> Vec<u8> {
    let mut records = BatchBuilder::new().producer(9, 1, i32::MAX);
    let headers =
        [("a", Some(b"1".as_slice())), ("b", None)].map(|(key, value)| ringbrook_record::Header {
            key: key.as_bytes(),
            value,
        });
    records
        .append(1000, Some(b"k"), Some("\u{d55c}".as_bytes()), headers)
        .unwrap();
    records.append(1005, None, None, []).unwrap();
    let mut first = records.finish(codec, None).unwrap();
    place(&mut first, 5);
    let marker = EndTransactionMarker {
        is_commit: false,
        coordinator_epoch: 3,
    };
    let mut second = marker.build_batch(9, 1, 1010).unwrap();
    place(&mut second, 7);
    [first, second].concat()
}

fn place(batch: &mut [u8], offset: i64) {
    batch[..8].copy_from_slice(&offset.to_be_bytes());
    batch[12..16].copy_from_slice(&2_i32.to_be_bytes());
}

const LOG: &str = "00000000000000000005.log";

fn dir_with(files: &[(&str, &[u8])]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (name, bytes) in files {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    dir
}

#[test]
fn logs_are_printed_in_kafkas_words() {
    let dir = dir_with(&[(LOG, &[segment(Codec::None), b"rest".to_vec()].concat())]);
    let (out, err) = dump_file(&dir, LOG, &["--print-data-log"]).unwrap();
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[0], format!("Dumping {LOG}"));
    assert_eq!(lines[1], "Log starting offset: 5");
    let batch = "baseOffset: 5 lastOffset: 6 count: 2 baseSequence: 2147483647 lastSequence: 0 \
        producerId: 9 producerEpoch: 1 partitionLeaderEpoch: 2 isTransactional: false isControl: \
        false deleteHorizonMs: OptionalLong.empty position: 0 CreateTime: 1005 size: 86 magic: 2 \
        compresscodec: none crc: ";
    assert!(lines[2].starts_with(batch), "{}", lines[2]);
    assert!(lines[2].ends_with(" isvalid: true"));
    assert_eq!(
        lines[3],
        "| offset: 5 CreateTime: 1000 keySize: 1 valueSize: 3 sequence: 2147483647 headerKeys: \
         [a,b] key: k payload: \u{d55c}"
    );
    assert_eq!(
        lines[4],
        "| offset: 6 CreateTime: 1005 keySize: -1 valueSize: -1 sequence: 0 headerKeys: []"
    );
    assert_eq!(
        lines[6],
        "| offset: 7 CreateTime: 1010 keySize: 4 valueSize: 6 sequence: -1 headerKeys: [] \
         endTxnMarker: ABORT coordinatorEpoch: 3"
    );
    assert_eq!(
        lines[7],
        format!("Found 4 invalid bytes at the end of {LOG}")
    );
    assert_eq!(
        err,
        format!("Non-consecutive offsets in {LOG}\n  -1 is followed by 5\n")
    );
}

#[test]
fn contents_alone_leave_control_records_empty() {
    let dir = dir_with(&[(LOG, &segment(Codec::Zstd))]);
    let options = ["--print-data-log", "--skip-record-metadata"];
    let (out, _) = dump_file(&dir, LOG, &options).unwrap();
    let lines: Vec<_> = out.lines().collect();
    assert!(lines[2].contains("compresscodec: zstd"));
    assert_eq!(lines[3], "| key: k payload: \u{d55c}");
    assert_eq!((lines[4], lines[6]), ("", ""));
}

#[test]
fn a_wrong_crc_is_shown_and_a_wrong_length_ends_the_dump() {
    let mut log = segment(Codec::None);
    log[70] ^= 1;
    let dir = dir_with(&[(LOG, &log)]);
    let (out, _) = dump_file(&dir, LOG, &[]).unwrap();
    assert!(out.lines().nth(2).unwrap().ends_with("isvalid: false"));
    assert_eq!(out.lines().count(), 4);
    log[8..12].copy_from_slice(&3_i32.to_be_bytes());
    let dir = dir_with(&[(LOG, &log)]);
    let error = dump_file(&dir, LOG, &[]).unwrap_err().to_string();
    assert!(
        error.contains("Found record size 3 smaller than minimum"),
        "{error}"
    );
}

#[test]
fn indexes_are_held_against_the_log() {
    let entry =
        |offset: i32, position: i32| [offset.to_be_bytes(), position.to_be_bytes()].concat();
    let time = |ms: i64, offset: i32| [&ms.to_be_bytes()[..], &offset.to_be_bytes()].concat();
    // The second batch's last offset is 7, which is 2 from the base.
    let index = [entry(1, 0), entry(3, 86), entry(0, 0)].concat();
    let times = [time(1005, 1), time(1004, 2), time(1009, 1)].concat();
    let index_name = "00000000000000000005.index";
    let times_name = "00000000000000000005.timeindex";
    let dir = dir_with(&[
        (LOG, &segment(Codec::Gzip)),
        (index_name, &entry(1, 0)),
        (times_name, &times),
    ]);
    let (out, err) = dump_file(&dir, times_name, &[]).unwrap();
    assert_eq!(
        out,
        format!(
            "Dumping {times_name}\ntimestamp: 1005 offset: 6\ntimestamp: 1004 offset: 7\n\
             timestamp: 1009 offset: 6\n"
        )
    );
    assert_eq!(
        err,
        format!(
            "Found timestamp mismatch in :{times_name}\n  Index timestamp: 1004, log timestamp: \
             1010\n  Index timestamp: 1009, log timestamp: 1005\nFound out of order timestamp in \
             :{times_name}\n  Index timestamp: 1004, Previously indexed timestamp: 1005\n"
        )
    );
    let dir = dir_with(&[(LOG, &segment(Codec::None)), (index_name, &index)]);
    let (out, err) = dump_file(&dir, index_name, &[]).unwrap();
    assert_eq!(
        out,
        format!("Dumping {index_name}\noffset: 6 position: 0\noffset: 8 position: 86\n")
    );
    assert_eq!(
        err,
        format!("Mismatches in :{index_name}\n  Index offset: 8, log offset: 7\n")
    );
}

#[test]
fn sanity_check_says_what_a_broker_would() {
    let name = "00000000000000000005.index";
    let check = |index: &[u8]| {
        let dir = dir_with(&[(LOG, &segment(Codec::None)), (name, index)]);
        dump_file(&dir, name, &["--index-sanity-check"])
    };
    let entry = [1_i32.to_be_bytes(), 0_i32.to_be_bytes()].concat();
    let (out, _) = check(&entry).unwrap();
    assert!(out.ends_with(".index passed sanity check.\n"), "{out}");
    let (out, _) = check(&[]).unwrap();
    assert!(out.ends_with(".index is empty.\n"), "{out}");
    let cut = [&entry[..], &[1, 2]].concat();
    let error = check(&cut).unwrap_err().to_string();
    let expected = "is corrupt, found 10 bytes which is neither positive nor a multiple of 8";
    assert!(error.ends_with(expected), "{error}");
}

#[test]
fn producers_are_printed_and_a_damaged_snapshot_is_told() {
    let mut entry = Vec::new();
    entry.extend_from_slice(&7_i64.to_be_bytes());
    entry.extend_from_slice(&2_i16.to_be_bytes());
    entry.extend_from_slice(&1_i32.to_be_bytes());
    entry.extend_from_slice(&30_i64.to_be_bytes());
    entry.extend_from_slice(&3_i32.to_be_bytes());
    entry.extend_from_slice(&1234_i64.to_be_bytes());
    entry.extend_from_slice(&(-1_i32).to_be_bytes());
    entry.extend_from_slice(&27_i64.to_be_bytes());
    let body = [&1_i32.to_be_bytes()[..], &entry].concat();
    let crc = crc32c::crc32c(&body).to_be_bytes();
    let mut snapshot = [&1_i16.to_be_bytes()[..], &crc, &body].concat();
    let name = "00000000000000000031.snapshot";
    let dir = dir_with(&[(name, &snapshot)]);
    let (out, _) = dump_file(&dir, name, &[]).unwrap();
    assert_eq!(
        out,
        format!(
            "Dumping {name}\nproducerId: 7 producerEpoch: 2 coordinatorEpoch: -1 \
             currentTxnFirstOffset: OptionalLong[27] lastTimestamp: 1234 firstSequence: 2147483646 \
             lastSequence: 1 lastOffset: 30 offsetDelta: 3 timestamp: 1234\n"
        )
    );
    snapshot[20] ^= 1;
    let dir = dir_with(&[(name, &snapshot)]);
    let (_, err) = dump_file(&dir, name, &[]).unwrap();
    assert!(
        err.starts_with("Snapshot is corrupt (CRC is no longer valid)."),
        "{err}"
    );
}

#[test]
fn unknown_files_are_passed_over_and_missing_ones_fail() {
    let dir = dir_with(&[]);
    let (out, err) = dump_file(&dir, "leader-epoch-checkpoint", &[]).unwrap();
    assert_eq!(out, "Dumping leader-epoch-checkpoint\n");
    assert_eq!(err, "Ignoring unknown file leader-epoch-checkpoint\n");
    dump_file(&dir, LOG, &[]).unwrap_err();
}
