//! What the fake cluster answers without a script.

use std::time::Duration;

use bytes::Bytes;
use ringbrook_protocol::messages::{ApiKey, FetchRequest, ProduceRequest};
use tokio::time::Instant;

use super::Asked;
use super::fake_cluster::Shared;
use super::reply::encoded;

/// The body of the answer; nothing when none is due.
///
/// # Panics
/// Nobody said what to answer.
pub(super) async fn answer(shared: &Shared, asked: &Asked) -> Option<Bytes> {
    match asked.api {
        ApiKey::Produce => {
            let request: ProduceRequest = asked.request();
            let response = shared.lock().topics.produce(asked, &request);
            shared.tell();
            (request.acks != 0).then(|| encoded(&response, asked.version))
        }
        ApiKey::Fetch => Some(fetch(shared, asked).await),
        _ => Some(answer_now(shared, asked)),
    }
}

fn answer_now(shared: &Shared, asked: &Asked) -> Bytes {
    let mut state = shared.lock();
    let state = &mut *state;
    let version = asked.version;
    match asked.api {
        ApiKey::ApiVersions => {
            let (response, version) = state.nodes.api_versions(version);
            encoded(&response, version)
        }
        ApiKey::Metadata => {
            let request = asked.request();
            let response = state.nodes.metadata(&mut state.topics, &request, version);
            encoded(&response, version)
        }
        ApiKey::DescribeCluster => encoded(&state.nodes.describe_cluster(), version),
        ApiKey::FindCoordinator => {
            let response = state
                .groups
                .find(&mut state.nodes, &asked.request(), version);
            encoded(&response, version)
        }
        ApiKey::InitProducerId => {
            encoded(&state.groups.init_producer_id(&asked.request()), version)
        }
        ApiKey::ListOffsets => {
            let response = state.topics.list_offsets(asked, &asked.request());
            encoded(&response, version)
        }
        ApiKey::OffsetForLeaderEpoch => {
            let topics = &mut state.topics;
            let response = topics.offsets_for_leader_epochs(asked, &asked.request());
            encoded(&response, version)
        }
        api => panic!("the fake cluster has no answer to {api:?} v{version}: lay one down"),
    }
}

/// Waits for `min_bytes`, an error or `max_wait_ms`.
async fn fetch(shared: &Shared, asked: &Asked) -> Bytes {
    let request: FetchRequest = asked.request();
    let wait_ms = u64::try_from(request.max_wait_ms).unwrap_or_default();
    let deadline = Instant::now() + Duration::from_millis(wait_ms);
    let mut events = shared.events();
    loop {
        let (response, is_enough) = shared.lock().topics.fetch(asked, &request);
        if is_enough || deadline <= Instant::now() {
            return encoded(&response, asked.version);
        }
        tokio::select! {
            _ = events.changed() => {}
            () = tokio::time::sleep_until(deadline) => {}
        }
    }
}
