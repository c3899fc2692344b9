//! DescribeCluster (60): the cluster's id, controller and brokers.
//!
//! Versions 0-2. Kafka: `KafkaApis.handleDescribeCluster`.

use ringbrook_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use ringbrook_protocol::messages::{BrokerId, DescribeClusterRequest, DescribeClusterResponse};
use ringbrook_protocol::{ResponseError, StrBytes};

use super::RequestContext;
use super::metadata::ALL_CLUSTER_OPERATIONS;

/// The endpoint type of brokers; 2 would be controllers, which have no listener of their own here.
const BROKERS: i8 = 1;
const NO_AUTHORIZED_OPERATIONS: i32 = i32::MIN;

/// Answers from the metadata.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    if 1 <= ctx.api_version && request.endpoint_type != BROKERS {
        let message = "The request was sent to an endpoint of type BROKER, but we wanted an \
                       endpoint of another type";
        return DescribeClusterResponse::default()
            .with_error_code(ResponseError::MismatchedEndpointType.code())
            .with_error_message(Some(StrBytes::from_static_str(message)))
            .with_endpoint_type(BROKERS);
    }
    let image = ctx.broker().image();
    let listener = ctx.listener_name();
    let brokers = image.brokers().filter_map(|broker| {
        let endpoint = broker.endpoint(listener)?;
        Some(
            DescribeClusterBroker::default()
                .with_broker_id(BrokerId(broker.id))
                .with_host(StrBytes::from_string(endpoint.host.clone()))
                .with_port(i32::from(endpoint.port))
                .with_rack(broker.rack.clone().map(StrBytes::from_string)),
        )
    });
    let operations = if request.include_cluster_authorized_operations {
        ALL_CLUSTER_OPERATIONS
    } else {
        NO_AUTHORIZED_OPERATIONS
    };
    DescribeClusterResponse::default()
        .with_endpoint_type(BROKERS)
        .with_cluster_id(StrBytes::from_string(image.cluster_id().to_owned()))
        .with_controller_id(BrokerId(image.controller_id()))
        .with_brokers(brokers.collect())
        .with_cluster_authorized_operations(operations)
}
