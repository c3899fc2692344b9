//! Stronger layers win, and what cannot be read gives way.

use super::*;

fn properties(pairs: &[(&str, &str)]) -> Properties {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn the_strongest_layer_that_has_the_key_wins() {
    let broker = properties(&[("message.max.bytes", "1")]);
    let cluster = properties(&[("message.max.bytes", "2"), ("num.partitions", "2")]);
    let statics = properties(&[("num.partitions", "3"), ("log.retention.hours", "4")]);
    let dynamic = DynamicConfigs {
        broker: &broker,
        cluster: &cluster,
    };
    let layers = Layers {
        dynamic,
        statics: &statics,
    };
    assert_eq!(layers.int("message.max.bytes"), 1);
    assert_eq!(layers.int("num.partitions"), 2);
    assert_eq!(layers.int("log.retention.hours"), 4);
    assert_eq!(layers.int("log.roll.hours"), 168);
}

#[test]
fn an_unreadable_stored_value_gives_way_to_the_next_layer() {
    let broker = properties(&[("message.max.bytes", "much")]);
    let statics = properties(&[("message.max.bytes", "5")]);
    let dynamic = DynamicConfigs {
        broker: &broker,
        cluster: &NONE,
    };
    assert_eq!(
        Layers {
            dynamic,
            statics: &statics
        }
        .int("message.max.bytes"),
        5
    );
}

#[test]
fn sizes_and_durations_take_negative_values_for_zero() {
    let statics = properties(&[("group.initial.rebalance.delay.ms", "-1")]);
    let layers = Layers {
        dynamic: DynamicConfigs::none(),
        statics: &statics,
    };
    assert_eq!(
        layers.millis("group.initial.rebalance.delay.ms"),
        Duration::ZERO
    );
    assert_eq!(layers.size("queued.max.request.bytes"), 0);
    assert_eq!(layers.optional_long("log.retention.ms"), None);
}
