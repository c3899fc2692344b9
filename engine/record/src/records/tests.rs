//! Tests of the record iterator: count, trailing bytes, limits, empty batches.

#![expect(
    clippy::indexing_slicing,
    reason = "test arithmetic and positions are on small constants"
)]

use super::*;
use crate::batch_builder::BatchBuilder;
use crate::batch_header::BatchHeader;

fn produced(codec: Codec) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    for n in 0..3_u8 {
        builder
            .append(100, Some(&[n]), Some(&[n; 500]), [])
            .unwrap();
    }
    builder.finish(codec, None).unwrap().to_vec()
}

/// The error a batch ends with when its header claims this many records.
fn error_with_count(codec: Codec, records_count: i32) -> Option<RecordError> {
    let bytes = produced(codec);
    let mut batch = Batch::parse(&bytes).unwrap();
    batch.header.records_count = records_count;
    let mut buffer = RecordBuffer::new();
    let records = match batch.records(&mut buffer, 10_000) {
        Ok(records) => records,
        Err(error) => return Some(error),
    };
    let results: Vec<_> = records.collect();
    assert!(
        results.iter().rev().skip(1).all(Result::is_ok),
        "an error is the last item"
    );
    results.into_iter().find_map(Result::err)
}

#[test]
fn the_count_must_be_exact() {
    for codec in Codec::ALL {
        assert!(error_with_count(codec, 3).is_none());
        assert!(matches!(
            error_with_count(codec, 4),
            Some(RecordError::RecordsCountMismatch {
                expected: 4,
                found: 3
            })
        ));
        for fewer in 0..3 {
            let error = error_with_count(codec, fewer);
            let Some(RecordError::TrailingBytes { records_count }) = error else {
                panic!("{codec} {fewer}: {error:?}");
            };
            assert_eq!(records_count, fewer);
        }
        for bad in [-1, i32::MIN] {
            let error = error_with_count(codec, bad);
            assert!(matches!(
                error,
                Some(RecordError::RecordsCountMismatch { .. })
            ));
        }
        assert!(error_with_count(codec, i32::MAX).is_some());
    }
}

#[test]
fn a_malformed_record_is_named_by_its_index() {
    let mut bytes = produced(Codec::None);
    let second = 61 + (bytes.len() - 61) / 3;
    bytes[second] = 0x01;
    let mut buffer = RecordBuffer::new();
    let batch = Batch::parse(&bytes).unwrap();
    let results: Vec<_> = batch.records(&mut buffer, 10_000).unwrap().collect();
    assert_eq!(results.len(), 2);
    assert!(matches!(
        results[1],
        Err(RecordError::MalformedRecord { index: 1, .. })
    ));
}

#[test]
fn the_limit_holds_for_every_codec() {
    for codec in Codec::ALL {
        let bytes = produced(codec);
        let batch = Batch::parse(&bytes).unwrap();
        let size_bytes = produced(Codec::None).len() - 61;
        let mut buffer = RecordBuffer::new();
        assert_eq!(batch.records(&mut buffer, size_bytes).unwrap().count(), 3);
        let error = batch.records(&mut buffer, size_bytes - 1).unwrap_err();
        assert!(
            matches!(error, RecordError::DecompressedTooLarge { .. }),
            "{codec}: {error}"
        );
    }
}

#[test]
fn a_batch_emptied_by_compaction_has_no_records_whatever_its_codec() {
    let bytes = produced(Codec::Zstd);
    let header = BatchHeader {
        batch_length: 49,
        records_count: 0,
        ..Batch::parse(&bytes).unwrap().header
    };
    let bytes = header.encode();
    let batch = Batch::parse(&bytes).unwrap();
    let mut buffer = RecordBuffer::new();
    assert_eq!(batch.records(&mut buffer, 0).unwrap().count(), 0);
}

#[test]
fn uncompressed_records_are_not_copied() {
    let bytes = produced(Codec::None);
    let mut buffer = RecordBuffer::new();
    let batch = Batch::parse(&bytes).unwrap();
    let record = batch
        .records(&mut buffer, 10_000)
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let value = record.value.unwrap();
    assert!(bytes.as_ptr_range().contains(&value.as_ptr()));
}

#[test]
fn an_unknown_codec_is_refused() {
    let bytes = produced(Codec::None);
    let mut batch = Batch::parse(&bytes).unwrap();
    batch.header.attributes.0 = 6;
    let found = batch.records(&mut RecordBuffer::new(), 10_000).map(|_| ());
    assert!(matches!(found, Err(RecordError::UnknownCodec { id: 6 })));
}
