//! Tests of the skim: the same verdict as the record iterator, also across pieces of a stream.

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test arithmetic and positions are on small constants"
)]

use super::*;
use crate::batch_builder::BatchBuilder;
use crate::codec::Codec;
use crate::decoder::WINDOW_BYTES;
use crate::record::Header;

fn skim(bytes: &[u8]) -> Result<Vec<RecordShape>, RecordError> {
    let mut context = DecoderContext::new();
    Batch::parse(bytes)?.skim(&mut context, 1 << 24)?.collect()
}

/// A batch whose records are these bytes, compressed, with this count.
fn batch_of(codec: Codec, records: &[u8], records_count: i32) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.append(0, None, None, []).unwrap();
    let bytes = builder.finish(codec, None).unwrap();
    let mut header = Batch::parse(&bytes).unwrap().header;
    let mut payload = Vec::new();
    crate::codec::compress(codec, None, records, &mut payload).unwrap();
    header.batch_length = 49 + i32::try_from(payload.len()).unwrap();
    header.records_count = records_count;
    [header.encode().as_slice(), &payload].concat()
}

#[test]
fn the_facts_of_each_record_are_returned() {
    for codec in Codec::ALL {
        let mut builder = BatchBuilder::new();
        let header = Header {
            key: b"h",
            value: None,
        };
        builder
            .append(500, Some(b"k"), Some(b"v"), [header, header])
            .unwrap();
        builder.append(400, None, Some(b""), []).unwrap();
        builder.append_at(9, 501, Some(b""), None, []).unwrap();
        let shapes = skim(&builder.finish(codec, None).unwrap()).unwrap();
        let shape = |index, timestamp_delta, offset_delta, has_key, has_value| RecordShape {
            index,
            attributes: 0,
            timestamp_delta,
            offset_delta,
            has_key,
            has_value,
        };
        assert_eq!(
            shapes,
            [
                shape(0, 0, 0, true, true),
                shape(1, -100, 1, false, true),
                shape(2, 1, 9, true, false),
            ]
        );
    }
}

#[test]
fn records_larger_than_a_piece_and_across_pieces_are_skipped() {
    for codec in Codec::ALL {
        let mut builder = BatchBuilder::new();
        let mut count = 0;
        for size_bytes in [
            0,
            1,
            100,
            WINDOW_BYTES - 5,
            WINDOW_BYTES,
            WINDOW_BYTES + 1,
            500_000,
        ] {
            for headers in [0, 1, 300] {
                let value = vec![0xFF; size_bytes];
                let header = Header {
                    key: &value[..size_bytes.min(200)],
                    value: Some(b"x"),
                };
                let headers = std::iter::repeat_n(header, headers);
                builder
                    .append(count, Some(b"key"), Some(&value), headers)
                    .unwrap();
                count += 1;
            }
        }
        let bytes = builder.finish(codec, None).unwrap();
        let shapes = skim(&bytes).unwrap();
        let deltas: Vec<i64> = shapes.iter().map(|shape| shape.timestamp_delta).collect();
        assert_eq!(deltas, (0..count).collect::<Vec<_>>(), "{codec}");
    }
}

#[test]
fn every_alignment_of_a_record_to_the_pieces_is_read() {
    // Records of 12 bytes; a first record moves the others through every position.
    for codec in [Codec::Gzip, Codec::Lz4, Codec::Zstd] {
        for shift in 0..14 {
            let mut builder = BatchBuilder::new();
            builder
                .append(0, None, Some(&vec![b'-'; WINDOW_BYTES - 40 - shift]), [])
                .unwrap();
            for _ in 0..10 {
                builder.append(7, Some(b"kk"), Some(b"vv"), []).unwrap();
            }
            let shapes = skim(&builder.finish(codec, None).unwrap()).unwrap();
            assert_eq!(shapes.len(), 11);
            assert!(
                shapes
                    .iter()
                    .skip(1)
                    .all(|shape| shape.timestamp_delta == 7)
            );
        }
    }
}

#[test]
fn malformed_records_are_named() {
    let cases: [(&[u8], i32, RecordProblem); 9] = [
        (&[0x01], 1, RecordProblem::InvalidLength),
        (&[0x80], 1, RecordProblem::Truncated),
        (&[0x0E, 0, 0, 0, 1, 1], 1, RecordProblem::Truncated),
        (
            &[0x0E, 0, 0, 0, 1, 1, 0, 0],
            1,
            RecordProblem::LengthMismatch,
        ),
        (
            &[0x0C, 0, 0, 0, 1, 1, 1],
            1,
            RecordProblem::InvalidHeaderCount,
        ),
        (
            &[0x0C, 0, 0, 0, 1, 1, 0x7E],
            1,
            RecordProblem::InvalidHeaderCount,
        ),
        (
            &[0x10, 0, 0, 0, 1, 1, 2, 1, 1],
            1,
            RecordProblem::NullHeaderKey,
        ),
        (&[0x0E, 0, 0, 0, 0x7E, 1, 0, 0], 1, RecordProblem::Truncated),
        (
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0],
            1,
            RecordProblem::VarintTooLong,
        ),
    ];
    for codec in Codec::ALL {
        for (records, count, expected) in cases {
            let error = skim(&batch_of(codec, records, count)).unwrap_err();
            let RecordError::MalformedRecord { index: 0, problem } = error else {
                panic!("{codec} {records:?}: {error}");
            };
            assert_eq!(problem, expected, "{codec} {records:?}");
        }
    }
}

#[test]
fn the_count_must_be_exact() {
    let two = [0x0C, 0, 0, 0, 1, 1, 0, 0x0C, 0, 0, 2, 1, 1, 0];
    for codec in Codec::ALL {
        assert_eq!(skim(&batch_of(codec, &two, 2)).unwrap().len(), 2);
        assert!(matches!(
            skim(&batch_of(codec, &two, 3)),
            Err(RecordError::RecordsCountMismatch {
                expected: 3,
                found: 2
            })
        ));
        assert!(matches!(
            skim(&batch_of(codec, &two, 1)),
            Err(RecordError::TrailingBytes { records_count: 1 })
        ));
        assert!(matches!(
            skim(&batch_of(codec, &two, -1)),
            Err(RecordError::RecordsCountMismatch {
                expected: -1,
                found: 0
            })
        ));
    }
}

#[test]
fn a_damaged_stream_is_an_error_of_its_codec() {
    let records = [0x0C, 0, 0, 0, 1, 1, 0].repeat(1000);
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let mut bytes = batch_of(codec, &records, 1000);
        bytes.truncate(bytes.len() - 5);
        let length = i32::try_from(bytes.len() - 12).unwrap();
        bytes.splice(8..12, length.to_be_bytes());
        let error = skim(&bytes).unwrap_err();
        assert!(
            matches!(error, RecordError::Decompress { .. }),
            "{codec}: {error}"
        );
    }
}

#[test]
fn the_limit_ends_a_bomb() {
    let mut builder = BatchBuilder::new();
    builder
        .append(0, None, Some(&vec![0; 10 << 20]), [])
        .unwrap();
    let builder = builder;
    for codec in Codec::ALL {
        let bytes = builder.clone().finish(codec, None).unwrap();
        let mut context = DecoderContext::new();
        let batch = Batch::parse(&bytes).unwrap();
        let found: Result<Vec<_>, _> = batch
            .skim(&mut context, 1 << 20)
            .and_then(Iterator::collect);
        assert!(
            matches!(found, Err(RecordError::DecompressedTooLarge { .. })),
            "{codec}"
        );
        let found: Result<Vec<_>, _> = batch
            .skim(&mut context, 11 << 20)
            .and_then(Iterator::collect);
        assert_eq!(found.unwrap().len(), 1);
    }
}
