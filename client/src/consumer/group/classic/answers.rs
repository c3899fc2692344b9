//! What a classic member makes of the coordinator's answers.

use std::sync::Arc;

use ringbrook_protocol::ResponseError as Code;
use ringbrook_protocol::messages::{JoinGroupResponse, SyncGroupResponse};
use tokio::time::Instant;
use tracing::info;

use super::requests::PROTOCOL_TYPE;
use super::{Action, Classic, State};
use crate::consumer::assignor::{Assignment, LastAssignment};
use crate::consumer::group::embedded_protocol::decode_assignment;
use crate::consumer::group::steps::{Partitions, Plan};
use crate::error::{BrokerError, ClientError};

impl Classic {
    pub(super) fn on_join(&mut self, now: Instant, answer: Result<JoinGroupResponse, ClientError>) {
        if self.state != State::Joining {
            return;
        }
        let joined = match answer {
            Ok(joined) => joined,
            Err(error) => return self.on_join_error(now, error),
        };
        if joined.error_code == Code::MemberIdRequired.code() {
            self.state = State::Unjoined;
            self.member_id = joined.member_id.as_str().into();
            let reason = format!(
                "need to re-join with the given member-id: {}",
                self.member_id
            );
            return self.request_rejoin(reason);
        }
        if joined
            .protocol_type
            .as_ref()
            .is_some_and(|it| it.as_str() != PROTOCOL_TYPE)
        {
            return self.fail(self.inconsistent());
        }
        self.generation_id = joined.generation_id;
        self.member_id = joined.member_id.as_str().into();
        self.protocol = joined.protocol_name.as_ref().map(|it| it.as_str().into());
        // The application may take as long with its new partitions as between two polls.
        self.polled_at = Some(now);
        info!(
            group = %self.settings.group_id,
            generation = self.generation_id,
            member = %self.member_id,
            "joined the group"
        );
        if joined.leader == joined.member_id {
            self.state = State::Leading;
            self.led = Some(joined);
        } else {
            self.state = State::Syncing;
        }
    }

    /// What the task has to do when this member leads.
    pub(super) fn next_towards_leading(&mut self) -> Option<Action> {
        let joined = self.led.take()?;
        self.is_in_flight = true;
        Some(Action::Lead(joined))
    }

    fn inconsistent(&self) -> ClientError {
        let code = Code::InconsistentGroupProtocol.code();
        let text = "the group is of another kind or settled on an assignor this member lacks";
        BrokerError::new(code, format!("group {}", self.settings.group_id))
            .with_message(Some(text))
            .into()
    }

    fn on_join_error(&mut self, now: Instant, error: ClientError) {
        self.state = State::Unjoined;
        match code_of(&error) {
            Some(Code::UnknownMemberId) => {
                self.reset_generation(false, "the coordinator does not know this member");
            }
            Some(Code::RebalanceInProgress | Code::IllegalGeneration) => {
                self.request_rejoin("the group began another rebalance");
            }
            // A request may have been answered before its time limit; the group waits for nobody.
            _ if error.is_retriable() => {
                self.request_rejoin_once("the last attempt failed");
                self.back_off(now);
            }
            _ => {
                self.back_off(now);
                self.fail(error);
            }
        }
    }

    pub(super) fn on_sync(&mut self, now: Instant, answer: Result<SyncGroupResponse, ClientError>) {
        if self.state != State::Syncing {
            return;
        }
        let synced = match answer {
            Ok(synced) => synced,
            Err(error) => return self.on_sync_error(now, error),
        };
        let is_of_another = |said: &Option<_>, expected: Option<&str>| {
            let said: Option<&ringbrook_protocol::StrBytes> = said.as_ref();
            said.is_some_and(|said| expected.is_none_or(|it| it != said.as_str()))
        };
        if is_of_another(&synced.protocol_type, Some(PROTOCOL_TYPE))
            || is_of_another(&synced.protocol_name, self.protocol.as_deref())
        {
            return self.fail(self.inconsistent());
        }
        match decode_assignment(synced.assignment) {
            Ok(assignment) => self.take_over(now, assignment),
            Err(error) => self.fail(ClientError::IllegalState(format!(
                "the assignment of group {} cannot be read: {error}",
                self.settings.group_id
            ))),
        }
    }

    /// The rebalance is over (`onJoinComplete`).
    fn take_over(&mut self, now: Instant, assignment: Assignment) {
        self.state = State::Stable;
        self.rejoin = None;
        self.is_prepared = false;
        self.backoff.reset();
        self.heartbeat_at = now + self.settings.heartbeat_interval;
        let assigned: Partitions = assignment.partitions.iter().cloned().collect();
        let wanted = self.wanted.as_ref().map(|it| &it.topics);
        let joined_with = self.joined_with.as_ref();
        let is_wanted = |topic: &Arc<str>| {
            // What a pattern matched when the member joined may match no more.
            wanted.is_some_and(|it| it.contains(topic))
                || joined_with.is_some_and(|it| it.contains(topic))
        };
        if !assigned.iter().all(|it| is_wanted(&it.topic)) {
            return self.request_rejoin("received assignment does not match the subscription");
        }
        self.last = LastAssignment {
            assignment: Some(assignment),
            generation_id: self.generation_id,
        };
        if self.is_cooperative {
            let revoked: Partitions = self.steps.owned().difference(&assigned).cloned().collect();
            if !revoked.is_empty() {
                self.steps.plan(Plan::Revoke(revoked));
                self.request_rejoin("need to revoke partitions and re-join");
            }
        }
        self.steps.plan(Plan::Assign(assigned));
    }

    fn on_sync_error(&mut self, now: Instant, error: ClientError) {
        self.state = State::Unjoined;
        match code_of(&error) {
            Some(Code::UnknownMemberId) => {
                self.reset_generation(false, "the coordinator does not know this member");
            }
            Some(Code::IllegalGeneration) => {
                self.reset_generation(true, "the group is in another generation");
            }
            Some(Code::RebalanceInProgress) => {
                self.request_rejoin("the group began another rebalance");
            }
            _ if error.is_retriable() => {
                self.request_rejoin_once("the last attempt failed");
                self.back_off(now);
            }
            _ => {
                self.back_off(now);
                self.fail(error);
            }
        }
    }

    pub(super) fn on_heartbeat(&mut self, now: Instant, answer: Result<(), ClientError>) {
        if self.state != State::Stable {
            return;
        }
        self.heartbeat_at = now + self.settings.heartbeat_interval;
        let Err(error) = answer else {
            self.backoff.reset();
            return;
        };
        match code_of(&error) {
            Some(Code::RebalanceInProgress) => {
                self.request_rejoin_once("group is already rebalancing");
            }
            Some(Code::IllegalGeneration) => {
                self.reset_generation(true, "the group is in another generation");
            }
            Some(Code::UnknownMemberId) => {
                self.reset_generation(false, "the coordinator does not know this member");
            }
            Some(Code::FencedInstanceId) => {
                self.reset_generation(false, "another member has this group.instance.id");
                self.fail(error);
            }
            _ if error.is_retriable() => {
                self.back_off(now);
                self.heartbeat_at = self.not_before;
            }
            _ => self.fail(error),
        }
    }
}

fn code_of(error: &ClientError) -> Option<Code> {
    match error {
        ClientError::Broker(error) => error.error(),
        _ => None,
    }
}
