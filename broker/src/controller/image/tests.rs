//! Lookup, collision and deltas of images.

use std::sync::Arc;

use uuid::Uuid;

use super::*;

fn topic(name: &str, id: u128, partitions: usize) -> TopicImage {
    TopicImage {
        name: Arc::from(name),
        id: Uuid::from_u128(id),
        partitions: vec![PartitionImage::new(vec![1]); partitions],
    }
}

fn names(topics: &[Arc<TopicImage>]) -> Vec<&str> {
    let mut names: Vec<_> = topics.iter().map(|topic| &*topic.name).collect();
    names.sort_unstable();
    names
}

#[test]
fn topics_are_found_by_name_and_id() {
    let mut image = MetadataImage::empty(Arc::from("c"));
    image.put_topic(topic("a", 10, 2));
    assert_eq!(image.topic("a").unwrap().id, Uuid::from_u128(10));
    assert_eq!(&*image.topic_by_id(Uuid::from_u128(10)).unwrap().name, "a");
    assert_eq!(image.partition("a", 1).unwrap().leader, 1);
    for absent in [2, -1, i32::MIN, i32::MAX] {
        assert_eq!(image.partition("a", absent), None);
    }
    assert_eq!(image.partition("b", 0), None);
}

#[test]
fn names_collide_with_dots_for_underscores() {
    let mut image = MetadataImage::empty(Arc::from("c"));
    image.put_topic(topic("a.b_c", 10, 1));
    assert_eq!(
        image.colliding_topic("a_b.c").map(|name| &**name),
        Some("a.b_c")
    );
    assert_eq!(
        image.colliding_topic("a.b_c"),
        None,
        "a topic does not collide with itself"
    );
    assert_eq!(image.colliding_topic("abc"), None);
    let topic = Arc::clone(image.topic("a.b_c").unwrap());
    image.remove_topic(&topic);
    assert_eq!(image.colliding_topic("a_b.c"), None);
}

#[test]
fn a_delta_tells_created_changed_and_deleted() {
    let mut before = MetadataImage::empty(Arc::from("c"));
    for (index, name) in ["keep", "grow", "drop", "replace"].into_iter().enumerate() {
        before.put_topic(topic(name, 10 + index as u128, 1));
    }
    let mut after = before.clone();
    after.put_topic(topic("grow", 11, 2));
    for name in ["drop", "replace"] {
        let gone = Arc::clone(after.topic(name).unwrap());
        after.remove_topic(&gone);
    }
    after.put_topic(topic("replace", 20, 1));
    after.put_topic(topic("new", 21, 1));
    let delta = after.topics_delta(&before);
    assert_eq!(names(&delta.created), ["new", "replace"]);
    assert_eq!(names(&delta.changed), ["grow"]);
    assert_eq!(
        delta.changed[0].partitions.len(),
        2,
        "the later state is told"
    );
    assert_eq!(names(&delta.deleted), ["drop", "replace"]);
    assert_eq!(before.topic_count(), 4, "the earlier image is as it was");
}

#[test]
fn a_delta_between_unrelated_images_compares_content() {
    let (mut a, mut b) = (
        MetadataImage::empty(Arc::from("c")),
        MetadataImage::empty(Arc::from("c")),
    );
    for image in [&mut a, &mut b] {
        image.put_topic(topic("same", 10, 1));
    }
    b.put_topic(topic("other", 11, 1));
    let delta = b.topics_delta(&a);
    assert_eq!(names(&delta.created), ["other"]);
    assert!(delta.changed.is_empty() && delta.deleted.is_empty());
}

#[test]
fn configs_deltas_name_set_and_unset_resources() {
    let configs = |value: &str| Configs::from([("retention.ms".to_owned(), value.to_owned())]);
    let mut before = MetadataImage::empty(Arc::from("c"));
    before.put_configs(ConfigResource::topic("same"), configs("1"));
    before.put_configs(ConfigResource::topic("set"), configs("1"));
    before.put_configs(ConfigResource::broker(1), configs("1"));
    let mut after = before.clone();
    after.put_configs(ConfigResource::topic("same"), configs("1"));
    after.put_configs(ConfigResource::topic("set"), configs("2"));
    after.put_configs(ConfigResource::broker(1), Configs::new());
    let mut delta = after.configs_delta(&before);
    delta.sort();
    assert_eq!(
        delta,
        [ConfigResource::topic("set"), ConfigResource::broker(1)]
    );
    assert_eq!(after.config(&ConfigResource::broker(1)), None);
}

#[test]
fn resource_types_have_the_numbers_of_kafka() {
    for code in i8::MIN..=i8::MAX {
        match ResourceType::from_code(code) {
            Some(resource_type) => assert_eq!(resource_type.code(), code),
            None => assert!(![2, 4, 16, 32].contains(&code)),
        }
    }
}
