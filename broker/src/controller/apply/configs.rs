//! Changing configurations (Kafka's `ConfigurationControlManager`).
//!
//! Keys and values are validated by the submitter, who knows the definitions; what is decided here
//! is whether the resource exists and what an incremental change amounts to.

use crate::controller::command::{ConfigAction, ConfigAlteration, ConfigChange, ConfigOperation};
use crate::controller::error::MetadataError;
use crate::controller::image::{ConfigResource, Configs, MetadataImage, ResourceType};

/// Changes the configuration of an existing resource.
pub(super) fn alter(
    image: &mut MetadataImage,
    alteration: &ConfigAlteration,
) -> Result<(), MetadataError> {
    let configs = altered_configs(image, alteration)?;
    image.put_configs(alteration.resource.clone(), configs);
    Ok(())
}

/// What would be set on the resource after the change: the API validates this before it submits.
///
/// # Errors
/// [`MetadataError::UnknownTopic`], [`MetadataError::BrokerNotRegistered`] or
/// [`MetadataError::InvalidRequest`] when there is no such resource.
pub fn altered_configs(
    image: &MetadataImage,
    alteration: &ConfigAlteration,
) -> Result<Configs, MetadataError> {
    check_exists(image, &alteration.resource)?;
    Ok(match &alteration.change {
        ConfigChange::Replace(configs) => configs.clone(),
        ConfigChange::Incremental(operations) => {
            let current = image.config(&alteration.resource);
            let mut configs = current.map_or_else(Configs::new, |configs| Configs::clone(configs));
            for operation in operations {
                operate(&mut configs, operation);
            }
            configs
        }
    })
}

fn check_exists(image: &MetadataImage, resource: &ConfigResource) -> Result<(), MetadataError> {
    let name = &resource.name;
    match resource.resource_type {
        ResourceType::Topic if image.topic(name).is_none() => {
            Err(MetadataError::UnknownTopic(name.clone()))
        }
        ResourceType::Broker if !name.is_empty() => {
            let id = name.parse().map_err(|_| {
                MetadataError::InvalidRequest(format!("Invalid broker name {name}"))
            })?;
            image
                .broker(id)
                .map(|_| ())
                .ok_or(MetadataError::BrokerNotRegistered(id))
        }
        _ => Ok(()),
    }
}

fn operate(configs: &mut Configs, operation: &ConfigOperation) {
    let key = &operation.key;
    let items_of = |configs: &Configs, default: &str| -> Vec<String> {
        let list = configs.get(key).map_or(default, String::as_str);
        list.split(',')
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()
    };
    match &operation.action {
        ConfigAction::Set(value) => {
            configs.insert(key.clone(), value.clone());
        }
        ConfigAction::Delete => {
            configs.remove(key);
        }
        ConfigAction::Append { items, default } => {
            let mut list = items_of(configs, default);
            for item in items.split(',') {
                if !list.iter().any(|known| known == item) {
                    list.push(item.to_owned());
                }
            }
            configs.insert(key.clone(), list.join(","));
        }
        ConfigAction::Subtract { items, default } => {
            let mut list = items_of(configs, default);
            for item in items.split(',') {
                if let Some(position) = list.iter().position(|known| known == item) {
                    list.remove(position);
                }
            }
            configs.insert(key.clone(), list.join(","));
        }
    }
}
