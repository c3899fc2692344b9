//! Tests of the probe: it reads what a consumer reads, and refuses what one refuses.

use ringbrook_record::{BatchBuilder, Codec};

use super::*;

fn batch(codec: Codec) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    for number in 0..10_u8 {
        builder.append(7, None, Some(&[number]), []).unwrap();
    }
    builder.finish(codec, None).unwrap().to_vec()
}

#[test]
fn the_records_of_every_codec_are_read() {
    let mut probe = ConsumerProbe::new(&ConsumerConfig::default());
    for codec in Codec::ALL {
        let records = probe.read(batch(codec).into()).unwrap();
        let values: Vec<_> = records.iter().map(|it| it.value.as_deref()).collect();
        let expected: Vec<_> = (0..10_u8).map(|number| vec![number]).collect();
        let expected: Vec<_> = expected.iter().map(|it| Some(&it[..])).collect();
        assert_eq!(values, expected, "{}", codec.name());
    }
}

#[test]
fn a_damaged_batch_is_refused() {
    let mut probe = ConsumerProbe::new(&ConsumerConfig::default());
    let mut bytes = batch(Codec::None);
    *bytes.last_mut().unwrap() ^= 1;
    assert!(probe.read(bytes.into()).is_err());
}
