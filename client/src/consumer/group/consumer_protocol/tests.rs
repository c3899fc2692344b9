//! The member of the consumer protocol on every road, heartbeat by heartbeat.

use std::time::Duration;

use ringbrook_protocol::ResponseError as Code;
use ringbrook_protocol::messages::consumer_group_heartbeat_response::{
    Assignment, TopicPartitions,
};
use ringbrook_protocol::messages::metadata_response::{
    MetadataResponsePartition, MetadataResponseTopic,
};
use ringbrook_protocol::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, MetadataResponse, TopicName,
};

use super::*;
use crate::consumer::group::settings::text;
use crate::consumer::group::steps::Partitions;
use crate::consumer::group::testing::*;

const TOPIC: Uuid = Uuid::from_u128(1);

fn member(instance_id: Option<&str>) -> Harness<ConsumerMember> {
    let mut it = Harness::new(|now| ConsumerMember::new(settings(instance_id), "me".into(), now));
    it.learn("t", TOPIC);
    it
}

fn told(epoch: i32, indexes: Option<&[i32]>) -> ConsumerGroupHeartbeatResponse {
    told_of(TOPIC, epoch, indexes)
}

fn told_of(topic: Uuid, epoch: i32, indexes: Option<&[i32]>) -> ConsumerGroupHeartbeatResponse {
    let assignment = indexes.map(|indexes| {
        let partitions = TopicPartitions::default()
            .with_topic_id(topic)
            .with_partitions(indexes.to_vec());
        let partitions = if indexes.is_empty() {
            vec![]
        } else {
            vec![partitions]
        };
        Assignment::default().with_topic_partitions(partitions)
    });
    ConsumerGroupHeartbeatResponse::default()
        .with_member_epoch(epoch)
        .with_heartbeat_interval_ms(5_000)
        .with_assignment(assignment)
}

fn assign(all: &[i32], new: &[i32]) -> Step {
    Step::Assign {
        assigned: partitions(all),
        added: partitions(new),
    }
}

fn revoke(gone: &[i32], left: &[i32]) -> Step {
    Step::Revoke {
        revoked: partitions(gone),
        remaining: partitions(left),
        is_told: !gone.is_empty(),
    }
}

fn lose(gone: &[i32]) -> Step {
    Step::Lose {
        lost: partitions(gone),
    }
}

fn owned(request: &ConsumerGroupHeartbeatRequest) -> Option<Vec<i32>> {
    let topics = request.topic_partitions.as_ref()?;
    Some(topics.iter().flat_map(|it| it.partitions.clone()).collect())
}

impl Harness<ConsumerMember> {
    fn learn(&mut self, name: &str, id: Uuid) {
        let partition = MetadataResponsePartition::default();
        let topic = MetadataResponseTopic::default()
            .with_name(Some(TopicName(text(name))))
            .with_topic_id(id)
            .with_partitions(vec![partition]);
        let answer = MetadataResponse::default().with_topics(vec![topic]);
        self.metadata = Metadata::updated(&self.metadata, answer, false, |_| true);
    }

    #[track_caller]
    fn heartbeat(&mut self) -> ConsumerGroupHeartbeatRequest {
        match self.call() {
            Call::ConsumerHeartbeat(request) => request,
            other => panic!("{other:?}"),
        }
    }

    /// A heartbeat now, or when the next is due.
    #[track_caller]
    fn beat(&mut self, answer: ConsumerGroupHeartbeatResponse) -> ConsumerGroupHeartbeatRequest {
        let wake_at = self.member.wake_at().unwrap_or(self.now);
        self.now = self.now.max(wake_at);
        let request = self.heartbeat();
        self.answer(Answer::ConsumerHeartbeat(Ok(answer)));
        request
    }

    #[track_caller]
    fn fail(&mut self, error: Result<ConsumerGroupHeartbeatResponse, ClientError>) {
        self.now = self.now.max(self.member.wake_at().unwrap());
        self.heartbeat();
        self.answer(Answer::ConsumerHeartbeat(error));
    }

    /// A member that has these and said so.
    fn settled(mut self, indexes: &[i32]) -> Self {
        self.subscribe(&["t"]);
        self.beat(told(1, Some(indexes)));
        self.expect_quiet();
        self.run_steps();
        self.beat(told(1, None));
        self.expect_quiet();
        self
    }
}

#[test]
fn it_says_everything_when_it_joins_and_then_only_what_changed() {
    let mut it = member(Some("i"));
    it.member.want(wanted(&["t"]));
    it.expect_quiet();
    assert_eq!(it.member.wake_at(), None, "nobody has polled yet");
    it.poll();
    let joining = it.beat(told(1, Some(&[0, 1])));
    assert_eq!(joining.member_epoch, 0);
    assert_eq!(joining.rebalance_timeout_ms, 300_000);
    assert_eq!(
        joining.subscribed_topic_names,
        Some(vec![TopicName(text("t"))])
    );
    assert_eq!(joining.subscribed_topic_regex, None);
    assert_eq!(owned(&joining), Some(vec![]));
    it.expect_quiet();
    assert_eq!(it.run_steps(), [assign(&[0, 1], &[0, 1])]);

    let acknowledging = it.beat(told(1, None));
    assert_eq!(owned(&acknowledging), Some(vec![0, 1]));
    assert_eq!(acknowledging.rebalance_timeout_ms, -1);
    assert_eq!(acknowledging.subscribed_topic_names, None);
    assert_eq!(acknowledging.instance_id, Some(text("i")));

    it.expect_quiet();
    assert_eq!(it.member.wake_at(), Some(it.now + Duration::from_secs(5)));
    let regular = it.beat(told(1, None));
    assert_eq!(owned(&regular), None);
}

#[test]
fn it_gives_up_what_it_must_and_reads_on() {
    let mut it = member(None).settled(&[0, 1, 2]);
    it.beat(told(2, Some(&[0, 3])));
    it.expect_quiet();
    assert_eq!(it.member.begin_step(), Some(revoke(&[1, 2], &[0])));
    let meanwhile = it.beat(told(2, None));
    assert_eq!(owned(&meanwhile), None, "it still has all");
    it.member.finish_step();
    assert_eq!(it.run_steps(), [assign(&[0, 3], &[3])]);
    assert_eq!(owned(&it.beat(told(2, None))), Some(vec![0, 3]));
}

#[test]
fn a_target_that_changes_while_it_is_reached_is_reached_next() {
    let mut it = member(None).settled(&[0]);
    it.beat(told(2, Some(&[0, 1])));
    it.expect_quiet();
    assert_eq!(it.member.begin_step(), Some(assign(&[0, 1], &[1])));
    it.beat(told(3, Some(&[0])));
    it.member.finish_step();
    assert_eq!(owned(&it.beat(told(3, None))), Some(vec![0, 1]));
    it.expect_quiet();
    assert_eq!(it.run_steps(), [revoke(&[1], &[0]), assign(&[0], &[])]);
    assert_eq!(owned(&it.beat(told(3, None))), Some(vec![0]));
    it.expect_quiet();
}

#[test]
fn topics_without_a_name_wait_for_metadata() {
    let mut it = member(None).settled(&[0]);
    let other = Uuid::from_u128(2);
    let mut answer = told(2, Some(&[0]));
    let more = told_of(other, 2, Some(&[5])).assignment.unwrap();
    let assignment = answer.assignment.as_mut().unwrap();
    assignment.topic_partitions.extend(more.topic_partitions);
    it.beat(answer);
    it.expect_quiet();
    assert!(it.member.needs_metadata());
    assert_eq!(it.run_steps(), []);
    assert_eq!(owned(&it.beat(told(2, None))), None);
    it.learn("u", other);
    it.expect_quiet();
    assert!(!it.member.needs_metadata());
    let steps = it.run_steps();
    assert!(
        matches!(&steps[..], [Step::Assign { added, .. }] if added.len() == 1),
        "{steps:?}"
    );
    assert_eq!(owned(&it.beat(told(2, None))), Some(vec![0, 5]));
}

#[test]
fn a_member_that_is_put_out_loses_everything_and_joins_again() {
    for code in [Code::FencedMemberEpoch, Code::UnknownMemberId] {
        let mut it = member(None).settled(&[0]);
        it.fail(broker_error(code));
        assert_eq!(it.member.identity(), Identity::none());
        it.expect_quiet();
        assert_eq!(it.run_steps(), [lose(&[0])]);
        let again = it.beat(told(5, Some(&[0])));
        assert_eq!(again.member_epoch, 0);
        assert_eq!(again.member_id, text("me"), "its id is for life");
        assert_eq!(owned(&again), Some(vec![]));
        it.expect_quiet();
        assert_eq!(it.run_steps(), [assign(&[0], &[0])]);
        assert_eq!(it.member.identity().generation_id, 5);
    }
}

#[test]
fn what_may_pass_is_tried_again_and_everything_is_said_again() {
    let mut it = member(None).settled(&[0]);
    for error in [
        disconnected(),
        broker_error(Code::NotCoordinator),
        broker_error(Code::CoordinatorLoadInProgress),
    ] {
        it.fail(error);
        it.expect_quiet();
        assert!(it.now < it.member.wake_at().unwrap());
    }
    let again = it.beat(told(1, None));
    assert_eq!(again.member_epoch, 1);
    assert_eq!(owned(&again), Some(vec![0]));
    assert_eq!(again.rebalance_timeout_ms, 300_000);
    assert!(it.member.take_error().is_none());
}

#[test]
fn what_cannot_pass_ends_membership_and_is_said_once() {
    for code in [
        Code::GroupAuthorizationFailed,
        Code::InvalidRequest,
        Code::UnreleasedInstanceId,
        Code::FencedInstanceId,
        Code::InvalidRegularExpression,
    ] {
        let mut it = member(Some("i")).settled(&[0]);
        it.fail(broker_error(code));
        it.expect_quiet();
        assert_eq!(it.member.wake_at(), None);
        assert_eq!(it.run_steps(), [lose(&[0])]);
        let error = it.member.take_error().unwrap();
        assert_eq!(error.response_error(), Some(code));
        it.poll();
        it.expect_quiet();
        assert!(it.member.take_error().is_none());
        // Who unsubscribes may try again.
        it.member.leave(GroupMembershipOperation::Default);
        it.expect_quiet();
        assert!(it.member.has_left());
        it.pass(Duration::from_secs(2));
        it.subscribe(&["t"]);
        assert_eq!(it.heartbeat().member_epoch, 0);
    }
}

#[test]
fn a_topic_that_may_not_be_read_is_an_error_but_not_the_end() {
    let mut it = member(None).settled(&[0]);
    it.fail(broker_error(Code::TopicAuthorizationFailed));
    assert!(it.member.take_error().is_some());
    assert!(it.member.take_error().is_none());
    it.beat(told(1, None));
}

#[test]
fn a_changed_subscription_is_said_at_once() {
    let mut it = member(None).settled(&[0]);
    it.subscribe(&["t", "u"]);
    let request = it.heartbeat();
    let names = request.subscribed_topic_names.unwrap();
    assert_eq!(names, [TopicName(text("t")), TopicName(text("u"))]);
    assert_eq!(request.topic_partitions, None);
    it.answer(Answer::ConsumerHeartbeat(Ok(told(2, None))));
    it.expect_quiet();
}

#[test]
fn a_pattern_is_said_and_taken_back() {
    let mut it = member(None);
    let pattern = Wanted {
        broker_pattern: Some("t.*".into()),
        ..Wanted::default()
    };
    it.member.want(Some(pattern));
    it.poll();
    let joining = it.beat(told(1, Some(&[])));
    assert_eq!(joining.subscribed_topic_regex, Some(text("t.*")));
    it.expect_quiet();
    it.run_steps();
    assert_eq!(it.beat(told(1, None)).subscribed_topic_regex, None);
    it.subscribe(&["t"]);
    assert_eq!(it.heartbeat().subscribed_topic_regex, Some(text("")));
}

#[test]
fn an_application_that_does_not_poll_is_taken_out_and_comes_back_when_it_polls() {
    for (instance_id, epoch) in [(None, -1), (Some("i"), -2)] {
        let mut it = member(instance_id).settled(&[0]);
        let late = it.now + Duration::from_secs(300);
        while it.member.wake_at().unwrap() < late - Duration::from_secs(5) {
            it.beat(told(1, None));
        }
        it.now = late;
        assert_eq!(it.heartbeat().member_epoch, epoch);
        it.answer(Answer::ConsumerHeartbeat(Ok(told(epoch, None))));
        it.expect_quiet();
        assert_eq!(it.member.wake_at(), None);
        it.poll();
        it.expect_quiet();
        assert_eq!(it.run_steps(), [lose(&[0])]);
        assert_eq!(it.beat(told(3, Some(&[0]))).member_epoch, 0);
    }
}

#[test]
fn leaving_gives_up_first_and_then_says_so() {
    for (operation, instance_id, epoch) in [
        (GroupMembershipOperation::Default, None, Some(-1)),
        (GroupMembershipOperation::Default, Some("i"), Some(-2)),
        (GroupMembershipOperation::LeaveGroup, Some("i"), Some(-1)),
        (GroupMembershipOperation::RemainInGroup, Some("i"), Some(-2)),
        (GroupMembershipOperation::RemainInGroup, None, None),
    ] {
        let mut it = member(instance_id).settled(&[0]);
        it.member.leave(operation);
        it.expect_quiet();
        assert!(!it.member.has_left());
        assert_eq!(it.run_steps(), [revoke(&[0], &[])]);
        if let Some(epoch) = epoch {
            assert_eq!(it.heartbeat().member_epoch, epoch);
            assert!(!it.member.has_left());
            it.answer(Answer::ConsumerHeartbeat(Ok(told(epoch, None))));
        } else {
            it.expect_quiet();
        }
        assert!(it.member.has_left());
        it.subscribe(&["t"]);
        assert_eq!(it.heartbeat().member_epoch, 0);
    }
}

#[test]
fn leaving_while_joining_is_said_too() {
    let mut it = member(None);
    it.subscribe(&["t"]);
    it.heartbeat();
    it.member.leave(GroupMembershipOperation::Default);
    assert_eq!(
        it.heartbeat().member_epoch,
        -1,
        "it may be a member already"
    );
    it.answer(Answer::ConsumerHeartbeat(broker_error(
        Code::UnknownMemberId,
    )));
    assert!(it.member.has_left());
}

/// Whatever the coordinator answers, in whatever order: the application is never told of
/// partitions it was told of already, and the broker of none that the application does not have.
#[test]
fn any_answers_keep_the_account_of_partitions() {
    let codes = [
        Code::FencedMemberEpoch,
        Code::UnknownMemberId,
        Code::NotCoordinator,
        Code::TopicAuthorizationFailed,
    ];
    for seed in 0..400 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut it = member(None);
        let mut has = Partitions::new();
        it.subscribe(&["t"]);
        for turn in 1..120 {
            it.pass(Duration::from_millis(random.u64(0..6_000)));
            if random.u8(0..4) != 0 {
                it.poll();
            }
            if random.bool()
                && let Some(step) = it.member.begin_step()
            {
                take_note(step, &mut has, &format!("seed {seed} turn {turn}"));
                it.member.finish_step();
            }
            let Some(Action::Call(Call::ConsumerHeartbeat(request))) = it.next() else {
                it.member.take_error();
                continue;
            };
            if let Some(said) = owned(&request).filter(|_| 0 < request.member_epoch) {
                let said: Partitions = partitions(&said);
                assert!(
                    has.is_subset(&said) || said == has,
                    "seed {seed} turn {turn}"
                );
            }
            let answer = if random.u8(0..3) == 0 {
                broker_error(codes[random.usize(0..codes.len())])
            } else {
                let given: Vec<_> = (0..4).filter(|_| random.bool()).collect();
                Ok(told(turn, random.bool().then_some(&given[..])))
            };
            it.answer(Answer::ConsumerHeartbeat(answer));
        }
        it.member.leave(GroupMembershipOperation::Default);
        it.run_steps();
        if it.next().is_some() {
            it.answer(Answer::ConsumerHeartbeat(Ok(told(-1, None))));
        }
        assert!(it.member.has_left(), "seed {seed}");
    }
}
