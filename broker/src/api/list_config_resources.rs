//! ListConfigResources (74): which resources have configurations (KIP-1142).
//!
//! Versions 0-1; version 0 is the older ListClientMetricsResources (KIP-1000). No types means all.
//! Topics and brokers are all there are, groups and client metrics those that have a value set.
//! Kafka: `KafkaApis.handleListConfigResources`.

use ringbrook_protocol::messages::list_config_resources_response::ConfigResource;
use ringbrook_protocol::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};
use ringbrook_protocol::{ResponseError, StrBytes};

use super::RequestContext;
use crate::controller::MetadataImage;
use crate::controller::image::ResourceType;

/// Types of Kafka's `ConfigResource`; a logger has the name of its broker.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

/// Lists the resources of the wanted types.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: ListConfigResourcesRequest,
) -> ListConfigResourcesResponse {
    let types = if ctx.api_version == 0 {
        vec![CLIENT_METRICS]
    } else if request.resource_types.is_empty() {
        vec![TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP]
    } else {
        let mut types = request.resource_types;
        types.sort_unstable();
        types.dedup();
        types
    };
    let image = ctx.broker().image();
    let mut response = ListConfigResourcesResponse::default();
    for resource_type in types {
        let Some(names) = names(&image, resource_type) else {
            return ListConfigResourcesResponse::default()
                .with_error_code(ResponseError::UnsupportedVersion.code());
        };
        let resources = names.into_iter().map(|name| {
            ConfigResource::default()
                .with_resource_name(StrBytes::from_string(name))
                .with_resource_type(resource_type)
        });
        response.config_resources.extend(resources);
    }
    response
}

/// The names of all resources of one type; none for a type without configurations.
fn names(image: &MetadataImage, resource_type: i8) -> Option<Vec<String>> {
    let configured = |wanted: ResourceType| {
        let resources = image.configs().map(|(resource, _)| resource);
        let of_type = resources.filter(|resource| resource.resource_type == wanted);
        of_type.map(|resource| resource.name.clone()).collect()
    };
    Some(match resource_type {
        TOPIC => image.topics().map(|topic| topic.name.to_string()).collect(),
        BROKER | BROKER_LOGGER => image
            .brokers()
            .map(|broker| broker.id.to_string())
            .collect(),
        CLIENT_METRICS => configured(ResourceType::ClientMetrics),
        GROUP => configured(ResourceType::Group),
        _ => return None,
    })
}
