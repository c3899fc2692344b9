//! FindCoordinator (10): which broker coordinates a group or a transactional id.
//!
//! Versions 0-6; one key up to version 3, a batch from version 4 on. The first request creates the
//! coordinator's topic and waits for it, where Kafka makes the client ask again. Share groups are
//! not coordinated here: they get INVALID_REQUEST with a text, as Kafka answers when it has no
//! share coordinator, because clients would retry anything milder until they time out.
//! Kafka: `KafkaApis.handleFindCoordinatorRequest`.

use ringbrook_protocol::messages::find_coordinator_response::Coordinator;
use ringbrook_protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use ringbrook_protocol::{ResponseError, StrBytes};

use super::RequestContext;
use super::group_names::wire;
use crate::controller::image::Endpoint;
use crate::coordinator::partition_for_key;
use crate::server::InternalTopic;

/// First version with several keys.
const BATCH_VERSION: i16 = 4;
/// First version whose response has room for a text.
const ERROR_MESSAGE_VERSION: i16 = 1;
/// The key type of groups.
const GROUP: i8 = 0;
/// The key type of transactional ids.
const TRANSACTION: i8 = 1;

/// Where a coordinator is.
struct Found {
    node_id: i32,
    endpoint: Endpoint,
}

/// Why there is no coordinator.
struct NotFound {
    error: ResponseError,
    message: &'static str,
}

/// Answers each key on its own.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    if ctx.api_version < BATCH_VERSION {
        let found = find(&ctx, request.key_type, &request.key).await;
        return single(ctx.api_version, found);
    }
    let mut coordinators = Vec::with_capacity(request.coordinator_keys.len());
    for key in request.coordinator_keys {
        let found = find(&ctx, request.key_type, &key).await;
        coordinators.push(one_of_batch(key, found));
    }
    FindCoordinatorResponse::default().with_coordinators(coordinators)
}

async fn find(ctx: &RequestContext, key_type: i8, key: &str) -> Result<Found, NotFound> {
    let internal = match key_type {
        GROUP => InternalTopic::ConsumerOffsets,
        TRANSACTION => InternalTopic::TransactionState,
        _ => {
            let message = "This broker coordinates consumer groups and transactions only.";
            return Err(NotFound {
                error: ResponseError::InvalidRequest,
                message,
            });
        }
    };
    let unavailable = |message| NotFound {
        error: ResponseError::CoordinatorNotAvailable,
        message,
    };
    let broker = ctx.broker();
    let topic = broker.internal_topic(internal).await.map_err(|error| {
        tracing::error!(topic = internal.name(), %error, "internal topic cannot be created");
        unavailable("The topic of the coordinator cannot be created.")
    })?;
    let index = partition_for_key(key, topic.partition_count());
    let is_offline = broker.replicas.served().is_offline(internal.name(), index);
    let leader = topic.partition(index).map(|partition| partition.leader);
    let leader = leader.filter(|_| !is_offline);
    let image = broker.image();
    let found = leader.and_then(|node_id| {
        let endpoint = image
            .broker(node_id)?
            .endpoint(ctx.listener_name())?
            .clone();
        Some(Found { node_id, endpoint })
    });
    found.ok_or_else(|| unavailable("The partition of the coordinator has no leader."))
}

fn single(version: i16, found: Result<Found, NotFound>) -> FindCoordinatorResponse {
    match found {
        Ok(Found { node_id, endpoint }) => FindCoordinatorResponse::default()
            .with_node_id(BrokerId(node_id))
            .with_host(wire(&endpoint.host))
            .with_port(i32::from(endpoint.port)),
        Err(NotFound { error, message }) => FindCoordinatorResponse::default()
            .with_error_code(error.code())
            .with_error_message(
                (ERROR_MESSAGE_VERSION <= version).then(|| StrBytes::from_static_str(message)),
            )
            .with_node_id(BrokerId(-1))
            .with_port(-1),
    }
}

fn one_of_batch(key: StrBytes, found: Result<Found, NotFound>) -> Coordinator {
    let coordinator = Coordinator::default().with_key(key);
    match found {
        Ok(Found { node_id, endpoint }) => coordinator
            .with_node_id(BrokerId(node_id))
            .with_host(wire(&endpoint.host))
            .with_port(i32::from(endpoint.port)),
        Err(NotFound { error, message }) => coordinator
            .with_error_code(error.code())
            .with_error_message(Some(StrBytes::from_static_str(message)))
            .with_node_id(BrokerId(-1))
            .with_port(-1),
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use ringbrook_protocol::Encodable;

    use super::*;

    fn found() -> Found {
        let endpoint = Endpoint {
            listener: "PLAINTEXT".to_owned(),
            host: "localhost".to_owned(),
            port: 9092,
            security_protocol: 0,
        };
        Found {
            node_id: 1,
            endpoint,
        }
    }

    fn not_found() -> NotFound {
        NotFound {
            error: ResponseError::CoordinatorNotAvailable,
            message: "none",
        }
    }

    #[test]
    fn answers_can_be_encoded_in_every_version() {
        for version in 0..BATCH_VERSION {
            for answer in [
                single(version, Ok(found())),
                single(version, Err(not_found())),
            ] {
                answer.encode(&mut BytesMut::new(), version).unwrap();
            }
        }
        let key = || StrBytes::from_static_str("group");
        let batch = vec![
            one_of_batch(key(), Ok(found())),
            one_of_batch(key(), Err(not_found())),
        ];
        let response = FindCoordinatorResponse::default().with_coordinators(batch);
        for version in BATCH_VERSION..=6 {
            response.encode(&mut BytesMut::new(), version).unwrap();
        }
    }

    #[test]
    fn no_coordinator_is_node_minus_one() {
        let answer = single(3, Err(not_found()));
        assert_eq!(
            (answer.node_id, answer.port, answer.error_code),
            (BrokerId(-1), -1, 15)
        );
        let answer = single(3, Ok(found()));
        assert_eq!(
            (answer.node_id, answer.port, answer.error_code),
            (BrokerId(1), 9092, 0)
        );
    }
}
