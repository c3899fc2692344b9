//! AlterConfigs (33): replaces all explicit configurations of topics and brokers.
//!
//! Versions 0-2. What the request does not name goes back to its default: newer clients use
//! IncrementalAlterConfigs. Kafka: `ConfigurationControlManager.legacyAlterConfigs`.

use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::alter_configs_request::AlterConfigsResource;
use ringbrook_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use ringbrook_protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};

use super::RequestContext;
use super::config_change::change;
use super::config_resource::resource;
use super::error::Failure;
use crate::controller::command::ConfigChange;
use crate::controller::image::Configs;

/// Replaces the configurations of every resource by itself.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: AlterConfigsRequest,
) -> AlterConfigsResponse {
    let mut response = AlterConfigsResponse::default();
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
    let mut after = Configs::new();
    for config in &changed.configs {
        let Some(value) = &config.value else {
            let text = format!("Null value not supported for : {}", config.name.as_str());
            return Err(Failure::new(ResponseError::InvalidRequest, text));
        };
        if after
            .insert(config.name.to_string(), value.to_string())
            .is_some()
        {
            let text = "Error due to duplicate config keys";
            return Err(Failure::new(ResponseError::InvalidRequest, text));
        }
    }
    change(ctx, &resource, ConfigChange::Replace(after), validate_only).await
}
