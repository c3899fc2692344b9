//! What a member of the consumer protocol makes of the coordinator's answers.

use std::time::Duration;

use ringbrook_protocol::ResponseError as Code;
use ringbrook_protocol::messages::ConsumerGroupHeartbeatResponse;
use tokio::time::Instant;
use tracing::info;

use super::{Assigned, ConsumerMember, JOIN_EPOCH, State};
use crate::error::ClientError;

impl ConsumerMember {
    pub(super) fn on_heartbeat(
        &mut self,
        now: Instant,
        answer: Result<ConsumerGroupHeartbeatResponse, ClientError>,
    ) {
        if !self.is_in_group() {
            // To the last request of a member that has left; its fate changes nothing.
            return;
        }
        match answer {
            Ok(answer) => self.on_success(now, answer),
            Err(error) => self.on_error(now, error),
        }
    }

    fn on_success(&mut self, now: Instant, answer: ConsumerGroupHeartbeatResponse) {
        self.backoff.reset();
        if answer.member_epoch < JOIN_EPOCH {
            return;
        }
        let interval_ms = u64::try_from(answer.heartbeat_interval_ms).unwrap_or_default();
        self.heartbeat_interval = Duration::from_millis(interval_ms.max(1));
        self.heartbeat_at = now + self.heartbeat_interval;
        self.epoch = answer.member_epoch;
        if let Some(id) = answer.member_id.filter(|id| !id.is_empty()) {
            self.member_id = id.as_str().into();
        }
        let Some(assignment) = answer.assignment else {
            if self.state == State::Joining {
                self.go(State::Stable);
            }
            return;
        };
        let mut target = Assigned::new();
        for topic in assignment.topic_partitions {
            let partitions = target.entry(topic.topic_id).or_default();
            partitions.extend(topic.partitions);
        }
        self.target = Some(target);
        if self.target != self.current {
            self.go(State::Reconciling);
        } else if self.reconciling.is_none()
            && matches!(self.state, State::Joining | State::Reconciling)
        {
            self.go(State::Stable);
        }
    }

    fn on_error(&mut self, now: Instant, error: ClientError) {
        // The broker may have forgotten everything: the next heartbeat says all.
        self.sent = None;
        self.not_before = now + self.backoff.next_pause();
        self.heartbeat_at = self.not_before;
        let code = match &error {
            ClientError::Broker(error) => error.error(),
            _ => None,
        };
        match code {
            Some(Code::FencedMemberEpoch | Code::UnknownMemberId) => {
                info!(group = %self.settings.group_id, %error, "the member was put out");
                self.lose_everything();
                self.not_before = now;
                self.go(State::Fenced);
            }
            Some(Code::TopicAuthorizationFailed) => self.error = Some(error),
            _ if error.is_retriable() => {}
            _ => {
                self.lose_everything();
                self.error = Some(explained(error));
                self.go(State::Fatal);
            }
        }
    }
}

/// What to do about a broker that does not serve the protocol, or may not.
const USE_CLASSIC: &str = "the broker does not serve the consumer protocol of groups: set \
                           group.protocol=classic, or update the broker";

fn explained(error: ClientError) -> ClientError {
    match error {
        ClientError::UnsupportedVersion { .. } => ClientError::Unsupported(USE_CLASSIC.to_owned()),
        ClientError::Broker(error) if error.is(Code::UnsupportedVersion) => {
            error.with_message(Some(USE_CLASSIC)).into()
        }
        error => error,
    }
}
