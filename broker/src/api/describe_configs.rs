//! DescribeConfigs (32): configurations of topics, brokers and groups, with where each value comes
//! from.
//!
//! Versions 1-4. Kafka: `ConfigHelper.describeConfigs`.

use std::collections::BTreeSet;

use ringbrook_protocol::messages::describe_configs_request::DescribeConfigsResource;
use ringbrook_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use ringbrook_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use ringbrook_protocol::{ResponseError, StrBytes};

use super::RequestContext;
use super::config_resource::{ResourceName, is_this_broker, resource};
use super::error::Failure;
use crate::config::{self, ConfigEntry};
use crate::controller::image::{ConfigResource, Configs};
use crate::controller::topic_name;

/// Describes every resource that the request names.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let results = request.resources.iter().map(|wanted| {
        let result = DescribeConfigsResult::default()
            .with_resource_type(wanted.resource_type)
            .with_resource_name(wanted.resource_name.clone());
        match entries(&ctx, wanted) {
            Ok(entries) => {
                let keys = wanted
                    .configuration_keys
                    .as_ref()
                    .filter(|keys| !keys.is_empty());
                let keys: Option<BTreeSet<&str>> =
                    keys.map(|keys| keys.iter().map(StrBytes::as_str).collect());
                let entries = entries.into_iter().filter(|entry| {
                    keys.as_ref()
                        .is_none_or(|keys| keys.contains(entry.name.as_str()))
                });
                result.with_configs(entries.map(|entry| described(&request, entry)).collect())
            }
            Err(failure) => result
                .with_error_code(failure.error.code())
                .with_error_message(failure.message()),
        }
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn entries(
    ctx: &RequestContext,
    wanted: &DescribeConfigsResource,
) -> Result<Vec<ConfigEntry>, Failure> {
    let broker = ctx.broker();
    let image = broker.image();
    let dynamic = broker.dynamic_configs(&image);
    let config = broker.config();
    match resource(wanted.resource_type, &wanted.resource_name)? {
        ResourceName::Topic(name) => {
            topic_name::validate(&name).map_err(|error| Failure::from(&error))?;
            if image.topic(&name).is_none() {
                return Err(ResponseError::UnknownTopicOrPartition.into());
            }
            let none = Configs::new();
            let overrides = image.topic_config(&name).map_or(&none, |configs| configs);
            Ok(config::describe_topic(
                &config,
                dynamic.as_configs(),
                overrides,
            ))
        }
        ResourceName::ClusterDefault => Ok(config::describe_cluster(&config, dynamic.as_configs())),
        ResourceName::Group(id) if id.is_empty() => {
            let text = "Group name must not be empty";
            Err(Failure::new(ResponseError::InvalidRequest, text))
        }
        // A group need not exist: it may be configured before its first member comes.
        ResourceName::Group(id) => {
            let none = Configs::new();
            let resource = ConfigResource::group(id);
            let set = image.config(&resource).map_or(&none, |configs| configs);
            Ok(config::describe_group(&config, dynamic.as_configs(), set))
        }
        ResourceName::Broker(id) => {
            is_this_broker(&config, id)?;
            Ok(config::describe_broker(&config, dynamic.as_configs()))
        }
    }
}

fn described(
    request: &DescribeConfigsRequest,
    entry: ConfigEntry,
) -> DescribeConfigsResourceResult {
    let text = |text: Option<String>| text.map(StrBytes::from_string);
    let mut result = DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_string(entry.name))
        .with_value(text(entry.value))
        .with_read_only(entry.is_read_only)
        .with_config_source(entry.source.code())
        .with_is_sensitive(entry.is_sensitive)
        .with_config_type(entry.config_type.code());
    if request.include_synonyms {
        let synonyms = entry.synonyms.into_iter().map(|synonym| {
            DescribeConfigsSynonym::default()
                .with_name(StrBytes::from_string(synonym.name))
                .with_value(text(synonym.value))
                .with_source(synonym.source.code())
        });
        result.synonyms = synonyms.collect();
    }
    // Null unless asked for, as Kafka has it; the struct's default is an empty text.
    let documentation = entry
        .documentation
        .filter(|_| request.include_documentation);
    result.documentation = documentation.map(StrBytes::from_static_str);
    result
}
