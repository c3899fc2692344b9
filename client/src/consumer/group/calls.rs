//! From a membership's requests to the coordinator's answers: the connection, the version, the time
//! limit, and the error code in the answer.

use std::time::Duration;

use ringbrook_protocol::messages::{ConsumerGroupHeartbeatRequest, HeartbeatRequest};
use ringbrook_protocol::{Request, ResponseError};

use super::messages::{Answer, Call, join_in, leave_in, sync_in};
use super::settings::GroupSettings;
use crate::cluster::{Cluster, CoordinatorKind, Target};
use crate::error::{BrokerError, ClientError};
use crate::net::Connection;

/// How much longer than its rebalance a member waits for JoinGroup.
const JOIN_TIMEOUT_LAPSE: Duration = Duration::from_secs(5);

impl Call {
    /// Whether the broker may hold the answer, and all later ones of the connection, back.
    pub(super) fn is_held_back(&self) -> bool {
        matches!(self, Self::Join(_) | Self::Sync(_))
    }
}

/// Sends a request to the group's coordinator. One attempt; conclusions about the coordinator are
/// drawn here, all others by the membership.
pub(super) async fn perform(cluster: Cluster, settings: &GroupSettings, call: Call) -> Answer {
    let target = Target::Coordinator(CoordinatorKind::Group, &settings.group_id);
    let answer = attempt(&cluster, target, settings, call).await;
    if let Some(error) = answer.error() {
        cluster.note_error(target, error);
    }
    answer
}

async fn attempt(
    cluster: &Cluster,
    target: Target<'_>,
    settings: &GroupSettings,
    call: Call,
) -> Answer {
    let connection = cluster.connection_to(target).await;
    let ordinary = cluster.config().request_timeout;
    let group = &settings.group_id;
    match call {
        Call::Join(request) => {
            let longest = settings
                .max_poll_interval
                .saturating_add(JOIN_TIMEOUT_LAPSE);
            let longest = longest.max(ordinary);
            let answer = send(connection, longest, |it| join_in(it, request)).await;
            Answer::Join(answer.and_then(|answer| {
                if answer.error_code != ResponseError::MemberIdRequired.code() {
                    check(answer.error_code, group, "joining")?;
                }
                Ok(answer)
            }))
        }
        Call::Sync(request) => {
            // The leader may take as long as the rebalance may.
            let longest = settings.max_poll_interval.max(ordinary);
            let answer = send(connection, longest, |it| sync_in(it, request)).await;
            Answer::Sync(answer.and_then(|answer| {
                check(answer.error_code, group, "syncing with")?;
                Ok(answer)
            }))
        }
        Call::Heartbeat(request) => {
            let answer = send::<HeartbeatRequest>(connection, ordinary, |_| request).await;
            Answer::Heartbeat(answer.and_then(|it| check(it.error_code, group, "heartbeat to")))
        }
        Call::Leave(request) => {
            let answer = send(connection, ordinary, |it| leave_in(it, request)).await;
            Answer::Leave(answer.and_then(|answer| {
                check(answer.error_code, group, "leaving")?;
                let first = answer.members.first();
                check(first.map_or(0, |it| it.error_code), group, "leaving")
            }))
        }
        Call::ConsumerHeartbeat(request) => {
            let answer = heartbeat(connection, ordinary, request).await;
            Answer::ConsumerHeartbeat(answer.and_then(|answer| {
                let subject = format!("heartbeat to group {group}");
                let error = BrokerError::new(answer.error_code, subject);
                if answer.error_code != 0 {
                    return Err(error.with_message(answer.error_message.as_deref()).into());
                }
                Ok(answer)
            }))
        }
    }
}

/// Only from version 1 on the broker matches patterns.
async fn heartbeat(
    connection: Result<Connection, ClientError>,
    timeout: Duration,
    request: ConsumerGroupHeartbeatRequest,
) -> Result<<ConsumerGroupHeartbeatRequest as Request>::Response, ClientError> {
    let connection = connection?;
    let version = connection.version_of::<ConsumerGroupHeartbeatRequest>()?;
    if version < 1 && request.subscribed_topic_regex.is_some() {
        return Err(ClientError::Unsupported(
            "this broker does not match patterns: subscribe with a pattern that the client matches"
                .to_owned(),
        ));
    }
    connection.send_within(version, &request, timeout)?.await
}

async fn send<R: Request + 'static>(
    connection: Result<Connection, ClientError>,
    timeout: Duration,
    request: impl FnOnce(i16) -> R,
) -> Result<R::Response, ClientError> {
    let connection = connection?;
    let version = connection.version_of::<R>()?;
    connection
        .send_within(version, &request(version), timeout)?
        .await
}

fn check(code: i16, group: &str, doing: &str) -> Result<(), ClientError> {
    Ok(BrokerError::check(code, format!("{doing} group {group}"))?)
}
