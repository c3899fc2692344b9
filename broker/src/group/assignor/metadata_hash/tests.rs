//! The hash against the values Kafka 4.3's hasher (hash4j, XXH3) gives for the same input.

use uuid::Uuid;

use super::super::fake_topics::FakeTopics;
use super::*;

const ID: u128 = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210;
const LONG_NAME: &str = "a-rather-long-topic-name.with.dots_and_underscores-0123456789";

fn topics(partition_count: i32, racks: &[&str]) -> FakeTopics {
    let mut topics = FakeTopics::default();
    topics.insert("foo", ID, partition_count);
    topics.insert(LONG_NAME, ID, partition_count);
    topics.racks = racks.iter().map(|&rack| rack.into()).collect();
    topics
}

#[test]
fn topics_hash_as_in_kafka() {
    let unordered = ["rack-1", "a"];
    let cases = [
        ("foo", 1, &[][..], -1_958_573_093_798_846_571),
        ("foo", 1, &unordered, -7_700_096_148_557_316_957),
        ("foo", 3, &[], -6_866_685_120_132_495_045),
        ("foo", 50, &unordered, -1_200_641_619_177_190_533),
        (LONG_NAME, 1, &[], 8_857_504_749_148_239_658),
        (LONG_NAME, 3, &unordered, -2_620_154_534_640_776_373),
        (LONG_NAME, 50, &[], -423_834_817_877_456_906),
        (LONG_NAME, 50, &unordered, 5_338_567_175_932_035_186),
    ];
    for (name, partition_count, racks, expected) in cases {
        let topics = topics(partition_count, racks);
        let topic = topics.topic(name).unwrap();
        assert_eq!(topic.id, Uuid::from_u128(ID));
        assert_eq!(
            topic_hash(&topic, &topics),
            expected,
            "{name} {partition_count}"
        );
    }
}

#[test]
fn a_group_is_hashed_over_its_topics_in_order() {
    let mut bytes = Vec::new();
    for hash in [1_i64, -2, 0] {
        bytes.extend(hash.to_le_bytes());
    }
    assert_eq!(hash(&bytes), -5_375_763_828_040_336_514);
}

#[test]
fn topics_that_do_not_exist_do_not_count() {
    let topics = topics(3, &[]);
    let set = |names: &[&str]| names.iter().map(|&name| name.into()).collect();
    assert_eq!(group_metadata_hash(&set(&[]), &topics), 0);
    assert_eq!(group_metadata_hash(&set(&["absent"]), &topics), 0);
    let alone = group_metadata_hash(&set(&["foo"]), &topics);
    assert_eq!(
        group_metadata_hash(&set(&["absent", "foo"]), &topics),
        alone
    );
    assert_ne!(
        group_metadata_hash(&set(&[LONG_NAME, "foo"]), &topics),
        alone
    );
}

#[test]
fn a_new_id_or_partition_count_changes_the_hash() {
    let set: BTreeSet<Arc<str>> = ["foo".into()].into();
    let mut topics = FakeTopics::default();
    topics.insert("foo", 1, 3);
    let before = group_metadata_hash(&set, &topics);
    topics.insert("bar", 2, 3);
    assert_eq!(group_metadata_hash(&set, &topics), before);
    topics.insert("foo", 1, 4);
    let grown = group_metadata_hash(&set, &topics);
    topics.insert("foo", 9, 4);
    let renewed = group_metadata_hash(&set, &topics);
    assert!(before != grown && grown != renewed && before != renewed);
}
