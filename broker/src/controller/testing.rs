//! What several tests of the controller need: options, topics, images, random commands.

use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::apply::apply;
use super::command::{BrokerRegistration, Command, NewTopic};
use super::handle::ControllerOptions;
use super::image::{Endpoint, MetadataImage};

/// The one listener of the brokers in tests.
pub(super) fn endpoint() -> Endpoint {
    Endpoint {
        listener: "PLAINTEXT".to_owned(),
        host: "localhost".to_owned(),
        port: 9092,
        security_protocol: 0,
    }
}

/// Options of node 1 with its metadata in `dir`.
pub(super) fn options(dir: &Path) -> ControllerOptions {
    ControllerOptions::new(
        dir.join("ringbrook.metadata"),
        1,
        "cluster",
        vec![endpoint()],
    )
}

pub(super) fn registration(id: i32) -> BrokerRegistration {
    BrokerRegistration {
        id,
        incarnation_id: Uuid::from_u128(0x1000),
        endpoints: vec![endpoint()],
        rack: None,
    }
}

/// An image with brokers 1 to `count`.
pub(super) fn image_with_brokers(count: i32) -> MetadataImage {
    let mut image = MetadataImage::empty(Arc::from("cluster"));
    for id in 1..=count {
        apply(&mut image, &Command::RegisterBroker(registration(id)), 0);
    }
    image
}

/// A topic on broker 1 whose id follows from its name.
pub(super) fn topic(name: &str, partitions: usize) -> NewTopic {
    NewTopic {
        name: name.to_owned(),
        id: id_of(name),
        assignments: vec![vec![1]; partitions],
        configs: [("retention.ms".to_owned(), "1000".to_owned())].into(),
    }
}

/// A topic id that depends on the name alone and is allowed.
pub(super) fn id_of(name: &str) -> Uuid {
    let mut bytes = [0x11u8; 16];
    for (index, byte) in name.bytes().enumerate() {
        bytes[1 + index % 15] = bytes[1 + index % 15].wrapping_mul(31).wrapping_add(byte);
    }
    Uuid::from_bytes(bytes)
}
