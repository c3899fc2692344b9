//! Bytes of the embedded protocol: known ones, any ones, and back again.

use proptest::prelude::*;

use super::*;
use crate::topic_partition::TopicPartition;

#[test]
fn subscriptions_are_kafkas_bytes() {
    let member = MemberSubscription {
        topics: vec!["t".into()],
        user_data: Some(Bytes::from_static(&[9])),
        owned_partitions: vec![TopicPartition::new("t", 2), TopicPartition::new("t", 3)],
        generation_id: Some(7),
        rack_id: Some("r".into()),
        group_instance_id: None,
    };
    let bytes = encode_subscription(&member).unwrap();
    let expected = [
        &[0, 3][..],
        &[0, 0, 0, 1, 0, 1, b't'],
        &[0, 0, 0, 1, 9],
        &[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3],
        &[0, 0, 0, 7],
        &[0, 1, b'r'],
    ];
    assert_eq!(bytes, expected.concat());
    assert_eq!(decode_subscription(bytes), Ok(member));
}

#[test]
fn older_and_newer_subscriptions_are_read() {
    let old = Bytes::from_static(&[0, 0, 0, 0, 0, 1, 0, 1, b't', 0xff, 0xff, 0xff, 0xff]);
    let member = decode_subscription(old).unwrap();
    assert_eq!(member, MemberSubscription::to_topics(&["t"]));
    let mut newer = encode_subscription(&member).unwrap().to_vec();
    newer[1] = 9;
    newer.extend(b"what comes later");
    assert_eq!(decode_subscription(newer.into()), Ok(member));
}

#[test]
fn no_assignment_is_an_empty_one() {
    assert_eq!(decode_assignment(Bytes::new()), Ok(Assignment::default()));
    let negative = Bytes::from_static(&[0xff, 0xff]);
    assert_eq!(decode_assignment(negative), Err(WireError::Version(-1)));
}

#[test]
fn lengths_beyond_the_end_set_nothing_aside() {
    let huge = Bytes::from_static(&[0, 3, 0x7f, 0xff, 0xff, 0xff]);
    assert_eq!(decode_subscription(huge.clone()), Err(WireError::Short));
    assert_eq!(decode_assignment(huge), Err(WireError::Short));
}

fn any_partitions() -> impl Strategy<Value = Vec<TopicPartition>> {
    let partition = ("[a-c]", 0..5_i32).prop_map(|(topic, it)| TopicPartition::new(topic, it));
    prop::collection::btree_set(partition, 0..8).prop_map(|all| all.into_iter().collect())
}

fn any_bytes() -> impl Strategy<Value = Option<Bytes>> {
    prop::option::of(prop::collection::vec(any::<u8>(), 0..9).prop_map(Bytes::from))
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        topics in prop::collection::vec("[a-z]{0,4}", 0..4),
        user_data in any_bytes(),
        owned_partitions in any_partitions(),
        generation_id in prop::option::of(0..i32::MAX),
        rack_id in prop::option::of("[a-z]{1,4}"),
    ) {
        let member = MemberSubscription {
            topics: topics.into_iter().map(Arc::from).collect(),
            user_data: user_data.clone(),
            owned_partitions: owned_partitions.clone(),
            generation_id,
            rack_id: rack_id.map(Arc::from),
            group_instance_id: None,
        };
        let bytes = encode_subscription(&member).unwrap();
        prop_assert_eq!(decode_subscription(bytes), Ok(member));
        let assignment = Assignment { partitions: owned_partitions, user_data };
        let bytes = encode_assignment(&assignment).unwrap();
        prop_assert_eq!(decode_assignment(bytes), Ok(assignment));
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..128)) {
        let bytes = Bytes::from(bytes);
        decode_subscription(bytes.clone()).ok();
        decode_assignment(bytes).ok();
    }
}
