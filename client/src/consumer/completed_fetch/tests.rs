//! Tests of reading batches: what is handed out, what is passed over, what is refused.

use proptest::prelude::*;
use ringbrook_protocol::messages::fetch_response::AbortedTransaction;
use ringbrook_record::{BatchBuilder, EndTransactionMarker, HEADER_BYTES, Header, HeaderPatch};

use super::*;
use crate::serialization::{BytesSerializer, LongSerializer, StringSerializer};

const ALL: ReadSettings = ReadSettings {
    is_checking_crcs: true,
    isolation: IsolationLevel::ReadUncommitted,
};
const COMMITTED: ReadSettings = ReadSettings {
    is_checking_crcs: true,
    isolation: IsolationLevel::ReadCommitted,
};

/// A log under construction.
#[derive(Default)]
struct Answer {
    bytes: Vec<u8>,
    end: i64,
}

impl Answer {
    fn push(&mut self, batch: &[u8]) {
        let parsed = Batch::parse(batch).unwrap();
        let patch = HeaderPatch::new(&parsed.header)
            .base_offset(self.end)
            .partition_leader_epoch(4);
        self.bytes
            .extend_from_slice(&patch.encode(parsed.payload()));
        self.bytes.extend_from_slice(&batch[HEADER_BYTES..]);
        self.end += i64::from(parsed.header.last_offset_delta) + 1;
    }

    fn plain(mut self, codec: Codec, values: &[&str]) -> Self {
        self.push(&finish(filled(BatchBuilder::new(), values), codec));
        self
    }

    fn of_transaction(mut self, producer_id: i64, values: &[&str]) -> Self {
        let builder = BatchBuilder::new()
            .producer(producer_id, 0, 0)
            .transactional();
        self.push(&finish(filled(builder, values), Codec::None));
        self
    }

    fn marker(mut self, producer_id: i64, is_commit: bool) -> Self {
        let marker = EndTransactionMarker {
            is_commit,
            coordinator_epoch: 0,
        };
        self.push(&marker.build_batch(producer_id, 0, 1).unwrap());
        self
    }

    fn fetch(&self, from: i64, aborted: &[(i64, i64)]) -> CompletedFetch {
        let aborted = aborted.iter().map(|(producer_id, first_offset)| {
            AbortedTransaction::default()
                .with_producer_id((*producer_id).into())
                .with_first_offset(*first_offset)
        });
        let aborted = AbortedTransactions::new(Some(aborted.collect()));
        let partition = TopicPartition::new("t", 0);
        let bytes = self.bytes.clone().into();
        CompletedFetch::new(partition, 1, 0, (from, None), bytes, aborted)
    }
}

fn filled(mut builder: BatchBuilder, values: &[&str]) -> BatchBuilder {
    for (index, value) in (0..).zip(values) {
        let headers = [Header {
            key: b"h",
            value: Some(value.as_bytes()),
        }];
        let key = (index % 2 == 0).then_some(value.as_bytes());
        builder
            .append(100 + index, key, Some(value.as_bytes()), headers)
            .unwrap();
    }
    builder
}

fn finish(builder: BatchBuilder, codec: Codec) -> Vec<u8> {
    builder.finish(codec, None).unwrap().to_vec()
}

fn texts() -> Decode<String, String> {
    Decode {
        key: Box::new(StringSerializer),
        value: Box::new(StringSerializer),
    }
}

/// All records, taken `step` at a time, as `offset value`.
fn drain_all(fetch: &mut CompletedFetch, settings: ReadSettings, step: usize) -> Vec<String> {
    let mut decoder = DecoderContext::new();
    let mut out = Vec::new();
    loop {
        let before = out.len();
        fetch
            .drain(&mut out, step, &texts(), settings, &mut decoder)
            .unwrap();
        if fetch.is_drained() {
            let all = out
                .iter()
                .map(|it| format!("{} {}", it.offset, it.value.as_ref().unwrap()));
            return all.collect();
        }
        assert!(out.len() <= before + step);
    }
}

#[test]
fn records_come_whole_in_any_step_and_codec() {
    for codec in [
        Codec::None,
        Codec::Gzip,
        Codec::Snappy,
        Codec::Lz4,
        Codec::Zstd,
    ] {
        let log = Answer::default();
        let log = log.plain(codec, &["a", "b", "c"]).plain(codec, &["d"]);
        for step in 1..=5 {
            let all = drain_all(&mut log.fetch(0, &[]), ALL, step);
            assert_eq!(
                all,
                ["0 a", "1 b", "2 c", "3 d"],
                "{codec} in steps of {step}"
            );
        }
        // Before the offset asked for there may be records of the same batch.
        let mut fetch = log.fetch(2, &[]);
        assert_eq!(drain_all(&mut fetch, ALL, 9), ["2 c", "3 d"]);
        assert_eq!(fetch.position(), (4, Some(4)));
        assert_eq!(drain_all(&mut log.fetch(3, &[]), ALL, 9), ["3 d"]);
    }
}

#[test]
fn a_record_has_everything_that_was_sent() {
    let log = Answer::default().plain(Codec::None, &["a", "b"]);
    let mut out = Vec::new();
    let mut fetch = log.fetch(0, &[]);
    fetch
        .drain(&mut out, 9, &texts(), ALL, &mut DecoderContext::new())
        .unwrap();
    let first = &out[0];
    assert_eq!(first.topic_partition(), TopicPartition::new("t", 0));
    assert_eq!(
        (first.offset, first.timestamp, first.leader_epoch),
        (0, 100, Some(4))
    );
    assert_eq!(first.key.as_deref(), Some("a"));
    assert_eq!(first.serialized_key_bytes, Some(1));
    let header = first.headers.last("h").unwrap();
    assert_eq!(header.value().map(|it| &it[..]), Some(&b"a"[..]));
    let second = &out[1];
    assert_eq!((second.key.as_deref(), second.timestamp), (None, 101));
    assert_eq!(
        (second.serialized_key_bytes, second.serialized_value_bytes),
        (None, Some(1))
    );
}

#[test]
fn uncompressed_records_are_parts_of_the_answer() {
    let log = Answer::default().plain(Codec::None, &["abc"]);
    let mut fetch = log.fetch(0, &[]);
    let answer = fetch.unopened.clone();
    let decode = Decode::<Bytes, Bytes> {
        key: Box::new(BytesSerializer),
        value: Box::new(BytesSerializer),
    };
    let mut out = Vec::new();
    fetch
        .drain(&mut out, 1, &decode, ALL, &mut DecoderContext::new())
        .unwrap();
    let value = out[0].value.clone().unwrap();
    assert!(answer.as_ptr_range().contains(&value.as_ptr()));
}

#[test]
fn read_committed_passes_over_aborted_transactions_only() {
    // 0-1 of 7, 2 of 8, 3 plain, 4 abort of 7, 5 of 7 again, 6 commit of 8, 7 commit of 7.
    let log = Answer::default()
        .of_transaction(7, &["a", "b"])
        .of_transaction(8, &["c"])
        .plain(Codec::Lz4, &["d"])
        .marker(7, false)
        .of_transaction(7, &["e"])
        .marker(8, true)
        .marker(7, true);
    let mut fetch = log.fetch(0, &[(7, 0)]);
    assert_eq!(drain_all(&mut fetch, COMMITTED, 1), ["2 c", "3 d", "5 e"]);
    assert_eq!(fetch.position().0, 8);
    let all = ["0 a", "1 b", "2 c", "3 d", "5 e"];
    assert_eq!(drain_all(&mut log.fetch(0, &[(7, 0)]), ALL, 9), all);
    // The list may hold transactions that began before what was asked for.
    assert_eq!(
        drain_all(&mut log.fetch(1, &[(7, 0)]), COMMITTED, 9),
        ["2 c", "3 d", "5 e"]
    );
    // Two aborted transactions of one producer, one after the other.
    let log = Answer::default()
        .of_transaction(7, &["a"])
        .marker(7, false)
        .of_transaction(7, &["b"])
        .marker(7, false)
        .of_transaction(7, &["c"]);
    assert_eq!(
        drain_all(&mut log.fetch(0, &[(7, 2), (7, 0)]), COMMITTED, 9),
        ["4 c"]
    );
}

#[test]
fn an_answer_of_markers_only_moves_the_position() {
    let log = Answer::default().marker(7, true).marker(8, false);
    let mut fetch = log.fetch(0, &[]);
    assert!(drain_all(&mut fetch, COMMITTED, 9).is_empty());
    assert_eq!(fetch.position(), (2, Some(4)));
    let end = end_of(&log.bytes).unwrap().unwrap();
    assert_eq!((end.offset, end.epoch), (2, Some(4)));
}

#[test]
fn an_answer_may_be_cut_anywhere() {
    let log = Answer::default();
    let log = log
        .plain(Codec::None, &["a", "b"])
        .plain(Codec::None, &["c"]);
    let first_bytes = Batch::parse(&log.bytes).unwrap().bytes.len();
    for len in first_bytes..log.bytes.len() {
        let cut = Answer {
            bytes: log.bytes[..len].to_vec(),
            end: 2,
        };
        assert_eq!(end_of(&cut.bytes).unwrap().unwrap().offset, 2);
        let mut fetch = cut.fetch(0, &[]);
        assert_eq!(drain_all(&mut fetch, ALL, 9), ["0 a", "1 b"]);
        assert_eq!(fetch.position().0, 2);
    }
    assert_eq!(end_of(&log.bytes[..first_bytes - 1]).unwrap(), None);
    assert_eq!(end_of(&[]).unwrap(), None);
}

#[test]
fn a_damaged_batch_comes_after_those_before_it_again_and_again() {
    let mut log = Answer::default();
    log = log.plain(Codec::None, &["a"]).plain(Codec::None, &["b"]);
    *log.bytes.last_mut().unwrap() ^= 1;
    let mut fetch = log.fetch(0, &[]);
    let mut decoder = DecoderContext::new();
    let mut out = Vec::new();
    for _ in 0..3 {
        let error = fetch
            .drain(&mut out, 9, &texts(), ALL, &mut decoder)
            .unwrap_err();
        let ClientError::CorruptRecord { offset, reason, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(offset, 1);
        assert!(reason.starts_with("crc is"), "{reason}");
        assert_eq!(out.len(), 1);
    }
    // Who does not check gets what is there.
    let unchecked = ReadSettings {
        is_checking_crcs: false,
        ..ALL
    };
    let mut fetch = log.fetch(0, &[]);
    assert_eq!(drain_all(&mut fetch, unchecked, 9).len(), 2);
}

#[test]
fn a_record_that_cannot_be_deserialized_is_told_with_its_bytes() {
    let log = Answer::default().plain(Codec::None, &["12345678", "short", "87654321"]);
    let decode = Decode::<Bytes, i64> {
        key: Box::new(BytesSerializer),
        value: Box::new(LongSerializer),
    };
    let mut decoder = DecoderContext::new();
    let mut fetch = log.fetch(0, &[]);
    let mut out = Vec::new();
    for _ in 0..2 {
        let error = fetch
            .drain(&mut out, 9, &decode, ALL, &mut decoder)
            .unwrap_err();
        let ClientError::Deserialization(error) = error else {
            panic!("{error}");
        };
        assert_eq!((error.offset, out.len()), (1, 1));
        assert_eq!(error.value.as_deref(), Some(&b"short"[..]));
        assert_eq!(error.key, None);
    }
    let mut behind = log.fetch(2, &[]);
    behind
        .drain(&mut out, 9, &decode, ALL, &mut decoder)
        .unwrap();
    assert_eq!(out.last().unwrap().offset, 2);
}

proptest! {
    /// Whatever a broker sends: no panic, no endless loop, and never more records than asked for.
    #[test]
    fn damaged_answers_end_in_an_error_or_in_order(
        damage in prop::collection::vec((0usize..500, any::<u8>()), 0..6),
        step in 1usize..5,
    ) {
        let mut log = Answer::default()
            .plain(Codec::None, &["a", "bb", "ccc"])
            .of_transaction(7, &["d"])
            .marker(7, false)
            .plain(Codec::Zstd, &["e", "f"]);
        for (at, byte) in damage {
            let index = at % log.bytes.len();
            log.bytes[index] = byte;
        }
        let unchecked = ReadSettings { is_checking_crcs: false, ..COMMITTED };
        let mut fetch = log.fetch(0, &[(7, 3)]);
        let mut decoder = DecoderContext::new();
        let mut out = Vec::new();
        for _ in 0..100 {
            let before = out.len();
            let drained = fetch.drain(&mut out, step, &texts(), unchecked, &mut decoder);
            prop_assert!(out.len() <= before + step);
            if drained.is_err() || fetch.is_drained() {
                break;
            }
        }
        prop_assert!(end_of(&log.bytes).is_ok() || !log.bytes.is_empty());
        prop_assert!(out.is_sorted_by(|a, b| a.offset < b.offset));
    }
}
