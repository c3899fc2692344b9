//! IncrementalAlterConfigs (44): sets, deletes, appends to and subtracts from configurations.
//!
//! Versions 0-1 (KIP-339). Kafka: `ConfigurationControlManager.incrementalAlterConfigs`.

use std::collections::BTreeSet;

use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use ringbrook_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use ringbrook_protocol::messages::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};

use super::RequestContext;
use super::config_change::change;
use super::config_resource::{ResourceName, resource};
use super::error::Failure;
use crate::config::ConfigType;
use crate::config::definition::{self, Definition};
use crate::controller::command::{ConfigAction, ConfigChange, ConfigOperation};
use crate::controller::image::Configs;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// Changes the configurations of every resource by itself.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let mut response = IncrementalAlterConfigsResponse::default();
    for changed in &request.resources {
        let answer = AlterConfigsResourceResponse::default()
            .with_resource_type(changed.resource_type)
            .with_resource_name(changed.resource_name.clone());
        response
            .responses
            .push(match alter(&ctx, changed, request.validate_only).await {
                Ok(()) => answer,
                Err(failure) => answer
                    .with_error_code(failure.error.code())
                    .with_error_message(failure.message()),
            });
    }
    response
}

async fn alter(
    ctx: &RequestContext,
    changed: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), Failure> {
    let resource = resource(changed.resource_type, &changed.resource_name)?;
    let mut keys = BTreeSet::new();
    if !changed
        .configs
        .iter()
        .all(|config| keys.insert(config.name.as_str()))
    {
        let text = "Error due to duplicate config keys";
        return Err(Failure::new(ResponseError::InvalidRequest, text));
    }
    let operations = changed
        .configs
        .iter()
        .map(|config| operation(ctx, &resource, config));
    let operations = operations.collect::<Result<Vec<_>, Failure>>()?;
    change(
        ctx,
        &resource,
        ConfigChange::Incremental(operations),
        validate_only,
    )
    .await
}

fn operation(
    ctx: &RequestContext,
    resource: &ResourceName,
    config: &AlterableConfig,
) -> Result<ConfigOperation, Failure> {
    let key = config.name.to_string();
    let value = || {
        config
            .value
            .as_ref()
            .map(ToString::to_string)
            .ok_or_else(|| {
                let text = format!("Null value not supported for : {key}");
                Failure::new(ResponseError::InvalidRequest, text)
            })
    };
    let action = match config.config_operation {
        SET => ConfigAction::Set(value()?),
        DELETE => ConfigAction::Delete,
        APPEND => ConfigAction::Append {
            items: value()?,
            default: list_default(ctx, resource, &key)?,
        },
        SUBTRACT => ConfigAction::Subtract {
            items: value()?,
            default: list_default(ctx, resource, &key)?,
        },
        unknown => {
            let text = format!("Unknown operation type {unknown}");
            return Err(Failure::new(ResponseError::InvalidRequest, text));
        }
    };
    Ok(ConfigOperation { key, action })
}

/// The value that a list config has without being set on the resource.
fn list_default(
    ctx: &RequestContext,
    resource: &ResourceName,
    key: &str,
) -> Result<String, Failure> {
    let definition = match resource {
        ResourceName::Topic(_) => definition::topic_config(key),
        ResourceName::Broker(_) | ResourceName::ClusterDefault => definition::broker_config(key),
        // Groups have no lists.
        ResourceName::Group(_) => None,
    };
    if !definition.is_some_and(is_list) {
        let text = format!("Can't append or subtract with the non-list key {key}");
        return Err(Failure::new(ResponseError::InvalidConfig, text));
    }
    let broker = ctx.broker();
    let image = broker.controller.image();
    let dynamic = broker.dynamic_configs(&image);
    let entries = match resource {
        ResourceName::Topic(_) => {
            let none = Configs::new();
            crate::config::describe_topic(&broker.config(), dynamic.as_configs(), &none)
        }
        _ => crate::config::describe_broker(&broker.config(), dynamic.as_configs()),
    };
    let entry = entries.into_iter().find(|entry| entry.name == key);
    Ok(entry.and_then(|entry| entry.value).unwrap_or_default())
}

fn is_list(definition: &Definition) -> bool {
    definition.config_type == ConfigType::List
}
