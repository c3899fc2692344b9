//! Subscriptions and assignments, byte by byte and at random.

use proptest::prelude::*;

use super::*;

/// What a Java consumer sends: two topics, `t1-0` and `t1-2` owned, generation 5, rack `r`.
const SUBSCRIPTION: &[u8] = b"\0\x03\0\0\0\x02\0\x02t1\0\x02t2\xff\xff\xff\xff\
    \0\0\0\x01\0\x02t1\0\0\0\x02\0\0\0\0\0\0\0\x02\0\0\0\x05\0\x01r";

fn topic(name: &str) -> Arc<str> {
    name.into()
}

#[test]
fn a_subscription_is_read_as_far_as_its_version_goes() {
    let mut expected = Subscription {
        version: 3,
        topics: vec![topic("t1"), topic("t2")],
        owned_partitions: vec![(topic("t1"), vec![0, 2])],
        rack_id: Some(topic("r")),
    };
    assert_eq!(Subscription::decode(SUBSCRIPTION), Ok(expected.clone()));
    let mut older = SUBSCRIPTION.to_vec();
    for version in [2, 1, 0] {
        older[1] = version;
        expected.version = i16::from(version);
        expected.rack_id = None;
        if version == 0 {
            expected.owned_partitions.clear();
        }
        assert_eq!(Subscription::decode(&older), Ok(expected.clone()));
    }
}

#[test]
fn a_newer_version_is_read_as_the_newest_known() {
    let mut newer = SUBSCRIPTION.to_vec();
    newer[1] = 9;
    newer.extend(b"more");
    let decoded = Subscription::decode(&newer).unwrap();
    assert_eq!(decoded, Subscription::decode(SUBSCRIPTION).unwrap());
}

#[test]
fn a_negative_version_is_refused() {
    for decoded in [
        Subscription::decode(b"\xff\xff\0\0\0\0").err(),
        ConsumerAssignment::decode(b"\xff\xff\0\0\0\0").err(),
    ] {
        assert!(matches!(
            decoded,
            Some(SchemaError::UnsupportedVersion { version: -1, .. })
        ));
    }
}

#[test]
fn a_note_of_the_assignor_is_noticed() {
    let none = b"\0\x01\0\0\0\0\xff\xff\xff\xff";
    let empty = b"\0\x01\0\0\0\0\0\0\0\0";
    let some = b"\0\x01\0\0\0\0\0\0\0\x01x";
    let has_user_data = |bytes| ConsumerAssignment::decode(bytes).unwrap().has_user_data;
    assert!(!has_user_data(none) && !has_user_data(empty) && has_user_data(some));
}

#[test]
fn a_subscription_cut_short_is_refused() {
    for len in 0..SUBSCRIPTION.len() {
        assert!(Subscription::decode(&SUBSCRIPTION[..len]).is_err(), "{len}");
    }
}

proptest! {
    #[test]
    fn an_assignment_comes_back_as_it_was(
        version in 0..=3_i16,
        partitions in prop::collection::vec(
            ("[a-z.]{0,12}", prop::collection::vec(any::<i32>(), 0..9)), 0..9),
    ) {
        let partitions: NamedPartitions =
            partitions.into_iter().map(|(name, of)| (topic(&name), of)).collect();
        let encoded = ConsumerAssignment::encode(version, &partitions).unwrap();
        let decoded = ConsumerAssignment::decode(&encoded).unwrap();
        prop_assert_eq!(decoded, ConsumerAssignment { partitions, has_user_data: false });
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        drop(Subscription::decode(&bytes));
        drop(ConsumerAssignment::decode(&bytes));
    }
}
