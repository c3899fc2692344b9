//! What a configuration request names: a topic, a broker, the default of all brokers, or a group.

use ringbrook_protocol::ResponseError;

use super::error::Failure;
use crate::config::BrokerConfig;
use crate::controller::image::{ConfigResource, ResourceType};

/// A resource whose configuration can be read and changed.
pub(super) enum ResourceName {
    Topic(String),
    Broker(i32),
    ClusterDefault,
    Group(String),
}

impl ResourceName {
    /// The resource in the metadata.
    pub(super) fn to_metadata(&self) -> ConfigResource {
        match self {
            ResourceName::Topic(name) => ConfigResource::topic(name.clone()),
            ResourceName::Broker(id) => ConfigResource::broker(*id),
            ResourceName::ClusterDefault => ConfigResource::broker_default(),
            ResourceName::Group(id) => ConfigResource::group(id.clone()),
        }
    }
}

/// Reads type and name of a resource.
///
/// # Errors
/// A type without configurations here, or a broker id that is no number.
pub(super) fn resource(resource_type: i8, name: &str) -> Result<ResourceName, Failure> {
    match ResourceType::from_code(resource_type) {
        Some(ResourceType::Topic) => Ok(ResourceName::Topic(name.to_owned())),
        Some(ResourceType::Broker) if name.is_empty() => Ok(ResourceName::ClusterDefault),
        Some(ResourceType::Broker) => name.parse().map(ResourceName::Broker).map_err(|_| {
            let text = format!("Node id must be an integer, but it is: {name}");
            Failure::new(ResponseError::InvalidRequest, text)
        }),
        Some(ResourceType::Group) => Ok(ResourceName::Group(name.to_owned())),
        _ => {
            let text = format!("Unsupported resource type {resource_type}");
            Err(Failure::new(ResponseError::InvalidRequest, text))
        }
    }
}

/// Checks that a broker resource is this broker: only it knows its static configuration.
///
/// # Errors
/// It is another.
pub(super) fn is_this_broker(config: &BrokerConfig, id: i32) -> Result<(), Failure> {
    if id == config.node_id {
        return Ok(());
    }
    let text = format!(
        "Unexpected broker id, expected {}, but received {id}",
        config.node_id
    );
    Err(Failure::new(ResponseError::InvalidRequest, text))
}
