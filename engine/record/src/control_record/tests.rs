//! Tests of end-transaction markers.

use super::*;
use crate::batch::Batch;
use crate::records::RecordBuffer;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse(bytes: &[u8]) -> Option<EndTransactionMarker> {
    let mut buffer = RecordBuffer::new();
    let batch = Batch::parse(bytes).unwrap();
    let mut records = batch.records(&mut buffer, 1000).unwrap();
    let marker = EndTransactionMarker::parse(&records.next().unwrap().unwrap()).unwrap();
    assert!(records.next().is_none());
    marker
}

/// The bytes come from the Python encoder described in the tests of the batch builder.
#[test]
fn a_commit_marker_has_the_golden_bytes() {
    let marker = EndTransactionMarker {
        is_commit: true,
        coordinator_epoch: 9,
    };
    let bytes = marker.build_batch(4000, 3, 1_700_000_000_000).unwrap();
    let expected = "000000000000000000000042ffffffff023a9760040030000000000000018bcfe568000000018bc\
                    fe568000000000000000fa00003ffffffff0000000120000000080000000\
                    10c00000000000900";
    assert_eq!(hex(&bytes), expected);
}

#[test]
fn markers_read_back() {
    for is_commit in [false, true] {
        let marker = EndTransactionMarker {
            is_commit,
            coordinator_epoch: 77,
        };
        let bytes = marker.build_batch(1, 2, 3).unwrap();
        assert_eq!(parse(&bytes), Some(marker));
        let header = Batch::parse(&bytes).unwrap().header;
        assert!(header.attributes.is_control() && header.attributes.is_transactional());
        assert_eq!(
            (
                header.producer_id,
                header.producer_epoch,
                header.base_sequence
            ),
            (1, 2, -1)
        );
    }
}

#[test]
fn malformed_control_records_are_refused_and_other_types_are_not_markers() {
    let record = |key: &'static [u8], value: &'static [u8]| {
        let mut builder = BatchBuilder::new().control();
        builder.append(1, Some(key), Some(value), []).unwrap();
        let bytes = builder.finish(Codec::None, None).unwrap();
        let mut buffer = RecordBuffer::new();
        let batch = Batch::parse(&bytes).unwrap();
        let record = batch
            .records(&mut buffer, 1000)
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        EndTransactionMarker::parse(&record)
    };
    let ok_value = &[0, 0, 0, 0, 0, 9];
    assert!(record(&[0, 0, 0, 1], ok_value).unwrap().is_some());
    assert!(
        record(&[0, 1, 0, 1], &[0, 1, 0, 0, 0, 9, 5])
            .unwrap()
            .is_some(),
        "later version"
    );
    assert_eq!(record(&[0, 0, 0, 2], b"").unwrap(), None);
    assert_eq!(record(&[0, 0, 9, 9], b"").unwrap(), None);
    for (key, value) in [
        (&[0, 0, 0][..], &ok_value[..]),
        (&[0xFF, 0xFF, 0, 1], ok_value),
        (&[0, 0, 0, 1], &[0, 0, 0, 0, 9]),
        (&[0, 0, 0, 1], &[0xFF, 0xFF, 0, 0, 0, 9]),
    ] {
        let found = record(key, value);
        assert!(
            matches!(found, Err(RecordError::MalformedControlRecord { .. })),
            "{found:?}"
        );
    }
}

#[test]
fn type_numbers_are_kafkas() {
    assert_eq!(
        ControlRecordType::parse(&[0, 0, 0, 0]).unwrap(),
        ControlRecordType::Abort
    );
    assert_eq!(
        ControlRecordType::parse(&[0, 0, 0, 1]).unwrap(),
        ControlRecordType::Commit
    );
    for id in [0, 1, 2, 6, -1] {
        let [high, low] = i16::to_be_bytes(id);
        assert_eq!(
            ControlRecordType::parse(&[0, 0, high, low]).unwrap().id(),
            id
        );
    }
}
