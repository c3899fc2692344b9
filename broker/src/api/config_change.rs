//! Checking a change of configurations, for AlterConfigs and IncrementalAlterConfigs.
//!
//! A change is checked as a whole: each value by itself, and what would hold afterwards together.

use ringbrook_protocol::ResponseError;

use super::RequestContext;
use super::config_resource::{ResourceName, is_this_broker};
use super::error::{Failure, KafkaError};
use crate::config::{self, BrokerScope, ConfigError, DynamicConfigs};
use crate::controller::altered_configs;
use crate::controller::command::{ConfigAlteration, ConfigChange};
use crate::controller::image::Configs;

/// Checks a resource's change and, unless the client only wants to know, submits it.
///
/// # Errors
/// The change is not allowed, or the metadata cannot be changed now.
pub(super) async fn change(
    ctx: &RequestContext,
    resource: &ResourceName,
    change: ConfigChange,
    validate_only: bool,
) -> Result<(), Failure> {
    let alteration = ConfigAlteration {
        resource: resource.to_metadata(),
        change,
    };
    if let ResourceName::Broker(id) = resource {
        is_this_broker(&ctx.broker().config(), *id)?;
    }
    if matches!(resource, ResourceName::Group(id) if id.is_empty()) {
        let text = "Default group resources are not allowed.";
        return Err(Failure::new(ResponseError::InvalidRequest, text));
    }
    let image = ctx.broker().controller.image();
    let after = altered_configs(&image, &alteration).map_err(|error| Failure::from(&error))?;
    let before = image.config(&alteration.resource);
    for (key, value) in &after {
        // What was valid when it was set does not stand in the way of other changes.
        if before.and_then(|before| before.get(key)) != Some(value) {
            check_value(resource, key, value)?;
        }
    }
    check_result(ctx, resource, &after)?;
    if validate_only {
        Ok(())
    } else {
        submit(ctx, alteration).await
    }
}

fn check_value(resource: &ResourceName, key: &str, value: &str) -> Result<(), Failure> {
    let checked = match resource {
        ResourceName::Topic(_) => config::topic::validate(key, value),
        ResourceName::Broker(_) => config::check_broker_change(BrokerScope::Broker, key, value),
        ResourceName::ClusterDefault => {
            config::check_broker_change(BrokerScope::Cluster, key, value)
        }
        ResourceName::Group(_) => {
            return config::validate_group_value(key, value).map_err(|error| invalid(&error));
        }
    };
    checked.map(drop).map_err(|error| invalid(&error))
}

/// Checks that `after` may be the explicit configurations of a resource.
fn check_result(
    ctx: &RequestContext,
    resource: &ResourceName,
    after: &Configs,
) -> Result<(), Failure> {
    let broker = ctx.broker();
    let image = broker.controller.image();
    let dynamic = broker.dynamic_configs(&image);
    let dynamic = dynamic.as_configs();
    let config = broker.config();
    let checked = match resource {
        ResourceName::Topic(_) => config::topic::validate_all(&config, dynamic, after),
        ResourceName::Broker(_) => {
            let dynamic = DynamicConfigs {
                broker: after,
                cluster: dynamic.cluster,
            };
            config.with_dynamic(dynamic).map(drop)
        }
        ResourceName::ClusterDefault => {
            let dynamic = DynamicConfigs {
                broker: dynamic.broker,
                cluster: after,
            };
            config.with_dynamic(dynamic).map(drop)
        }
        ResourceName::Group(_) => config::validate_group(&config, dynamic, after),
    };
    checked.map_err(|error| invalid(&error))
}

async fn submit(ctx: &RequestContext, alteration: ConfigAlteration) -> Result<(), Failure> {
    let results = ctx
        .broker()
        .controller
        .alter_configs(vec![alteration])
        .await;
    ctx.broker().metadata_applied().await;
    match results {
        Ok(results) => results
            .into_iter()
            .try_for_each(|result| result.map_err(|error| Failure::from(&error))),
        Err(error) => Err(Failure::new(error.kafka_error(), error.to_string())),
    }
}

fn invalid(error: &ConfigError) -> Failure {
    let kafka_error = match error {
        ConfigError::NotDynamic { .. } => ResponseError::InvalidRequest,
        _ => ResponseError::InvalidConfig,
    };
    Failure::new(kafka_error, error.to_string())
}
