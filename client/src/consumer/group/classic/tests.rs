//! The classic member on every road through a rebalance, answer by answer.

use std::time::Duration;

use bytes::Bytes;
use ringbrook_protocol::ResponseError as Code;
use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::join_group_response::JoinGroupResponseMember;
use ringbrook_protocol::messages::{JoinGroupRequest, JoinGroupResponse, SyncGroupResponse};

use super::*;
use crate::consumer::assignor::{
    Assignment, CooperativeStickyAssignor, RangeAssignor, default_assignors,
};
use crate::consumer::group::embedded_protocol::decode_subscription;
use crate::consumer::group::steps::Partitions;
use crate::consumer::group::testing::*;

fn member(assignors: Vec<Arc<dyn Assignor>>, instance_id: Option<&str>) -> Harness<Classic> {
    Harness::new(|now| Classic::new(settings(instance_id), assignors, now))
}

fn eager() -> Harness<Classic> {
    member(default_assignors(), None)
}

fn cooperative() -> Harness<Classic> {
    member(vec![Arc::new(CooperativeStickyAssignor)], None)
}

fn id(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn joined(generation_id: i32, leader: &'static str) -> Answer {
    Answer::Join(Ok(JoinGroupResponse::default()
        .with_generation_id(generation_id)
        .with_protocol_type(Some(id("consumer")))
        .with_protocol_name(Some(id("range")))
        .with_leader(id(leader))
        .with_member_id(id("me"))))
}

fn synced(indexes: &[i32]) -> Answer {
    let assignment = Assignment {
        partitions: partitions(indexes).into_iter().collect(),
        user_data: None,
    };
    let assignment = encode_assignment(&assignment).unwrap();
    Answer::Sync(Ok(SyncGroupResponse::default().with_assignment(assignment)))
}

impl Harness<Classic> {
    #[track_caller]
    fn join(&mut self) -> JoinGroupRequest {
        match self.call() {
            Call::Join(request) => request,
            other => panic!("{other:?}"),
        }
    }

    /// From JoinGroup to an assignment, as a follower.
    #[track_caller]
    fn rebalance(&mut self, generation_id: i32, indexes: &[i32]) {
        self.join();
        self.answer(joined(generation_id, "other"));
        assert!(matches!(self.call(), Call::Sync(_)));
        self.answer(synced(indexes));
    }

    /// A member that reads these.
    fn settled(mut self, indexes: &[i32]) -> Self {
        self.subscribe(&["t"]);
        self.rebalance(1, indexes);
        self.run_steps();
        self
    }

    #[track_caller]
    fn heartbeat(&mut self, answer: Result<(), ClientError>) {
        self.pass(Duration::from_secs(3));
        assert!(matches!(self.call(), Call::Heartbeat(_)));
        self.answer(Answer::Heartbeat(answer));
    }
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

#[test]
fn it_joins_when_the_application_polls_and_not_before() {
    let mut it = eager();
    it.member.want(wanted(&["t"]));
    it.expect_quiet();
    assert_eq!(it.member.wake_at(), None);
    it.poll();
    let request = it.join();
    assert_eq!(request.member_id.as_str(), "");
    assert_eq!(request.rebalance_timeout_ms, 300_000);
    let names: Vec<_> = request
        .protocols
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    assert_eq!(names, ["range", "cooperative-sticky"]);
    let said = decode_subscription(request.protocols[0].metadata.clone()).unwrap();
    assert_eq!(said.topics, [Arc::from("t")]);
    it.expect_quiet();
}

#[test]
fn it_joins_again_at_once_with_the_id_it_is_given() {
    let mut it = eager();
    it.subscribe(&["t"]);
    it.join();
    let given = JoinGroupResponse::default()
        .with_error_code(Code::MemberIdRequired.code())
        .with_member_id(id("me"));
    it.answer(Answer::Join(Ok(given)));
    assert_eq!(it.join().member_id.as_str(), "me");
}

#[test]
fn a_follower_syncs_and_reads_what_it_is_given() {
    let mut it = eager();
    it.subscribe(&["t"]);
    assert!(it.member.identity() == Identity::none());
    it.rebalance(7, &[0, 1]);
    assert_eq!(it.run_steps(), [assign(&[0, 1], &[0, 1])]);
    assert_eq!(it.member.identity().generation_id, 7);
    it.expect_quiet();
    let wake_at = it.member.wake_at();
    assert_eq!(wake_at, Some(it.now + Duration::from_secs(3)));
    it.heartbeat(Ok(()));
    it.heartbeat(Ok(()));
    it.expect_quiet();
}

#[test]
fn a_leader_distributes_and_sends_it_with_its_sync() {
    let mut it = eager();
    it.subscribe(&["t"]);
    it.join();
    it.answer(joined(1, "me"));
    assert!(matches!(it.next(), Some(Action::Lead(_))));
    it.expect_quiet();
    let given = Assignment {
        partitions: partitions(&[3]).into_iter().collect(),
        user_data: None,
    };
    let led = [(Arc::from("me"), given.clone())].into();
    let led = Led {
        assignment: led,
        topic_names: BTreeSet::new(),
        topics: AssignableTopics::new(),
    };
    it.member.on_led(it.now, Ok(led));
    let Call::Sync(request) = it.call() else {
        panic!();
    };
    assert_eq!(request.assignments.len(), 1);
    assert_eq!(
        request.assignments[0].assignment,
        encode_assignment(&given).unwrap()
    );
}

#[test]
fn a_leader_that_cannot_distribute_says_so_and_tries_again() {
    let mut it = eager();
    it.subscribe(&["t"]);
    it.join();
    it.answer(joined(1, "me"));
    assert!(it.next().is_some());
    let error = ClientError::InvalidArgument("no".to_owned());
    it.member.on_led(it.now, Err(error));
    it.expect_quiet();
    assert!(it.member.take_error().is_some());
    it.expect_quiet();
    it.poll();
    it.join();
}

#[test]
fn an_eager_member_gives_up_everything_before_it_joins_again() {
    let mut it = eager().settled(&[0, 1]);
    it.heartbeat(broker_error(Code::RebalanceInProgress));
    it.expect_quiet();
    assert_eq!(it.member.begin_step(), Some(revoke(&[0, 1], &[])));
    it.expect_quiet();
    it.pass(Duration::from_secs(3));
    assert!(
        matches!(it.call(), Call::Heartbeat(_)),
        "it is alive while it gives up"
    );
    it.answer(Answer::Heartbeat(broker_error(Code::RebalanceInProgress)));
    it.member.finish_step();
    let request = it.join();
    let said = decode_subscription(request.protocols[0].metadata.clone()).unwrap();
    assert_eq!(said.owned_partitions, []);
    it.answer(joined(2, "other"));
    assert!(matches!(it.call(), Call::Sync(_)));
    it.answer(synced(&[1]));
    assert_eq!(it.run_steps(), [assign(&[1], &[1])]);
}

#[test]
fn a_cooperative_member_keeps_what_it_has_and_gives_up_only_what_it_must() {
    let mut it = cooperative().settled(&[0, 1, 2]);
    it.heartbeat(broker_error(Code::RebalanceInProgress));
    it.expect_quiet();
    assert_eq!(
        it.run_steps(),
        [revoke(&[], &[0, 1, 2])],
        "a commit, nothing else"
    );
    let request = it.join();
    let said = decode_subscription(request.protocols[0].metadata.clone()).unwrap();
    assert_eq!(said.owned_partitions.len(), 3);
    assert_eq!(said.generation_id, Some(1));
    it.answer(joined(2, "other"));
    assert!(matches!(it.call(), Call::Sync(_)));
    it.answer(synced(&[0, 1]));
    assert_eq!(
        it.run_steps(),
        [revoke(&[2], &[0, 1]), assign(&[0, 1], &[])]
    );
    it.expect_quiet();
    assert_eq!(it.run_steps(), [revoke(&[], &[0, 1])]);
    it.rebalance(3, &[0, 1]);
    assert_eq!(it.run_steps(), [assign(&[0, 1], &[])]);
    it.expect_quiet();
}

#[test]
fn a_cooperative_member_gives_up_topics_it_no_longer_wants_before_it_joins() {
    let mut it = cooperative().settled(&[0]);
    it.subscribe(&["u"]);
    it.expect_quiet();
    assert_eq!(it.run_steps(), [revoke(&[0], &[])]);
    it.join();
}

#[test]
fn a_member_that_is_not_known_any_more_has_lost_everything() {
    for code in [Code::UnknownMemberId, Code::IllegalGeneration] {
        for mut it in [eager(), cooperative()] {
            it = it.settled(&[0, 1]);
            it.heartbeat(broker_error(code));
            assert_eq!(it.member.identity(), Identity::none());
            it.expect_quiet();
            assert_eq!(it.run_steps(), [lose(&[0, 1])]);
            let keeps_id = code == Code::IllegalGeneration;
            assert_eq!(it.join().member_id.is_empty(), !keeps_id);
        }
    }
}

#[test]
fn an_assignment_that_was_not_begun_with_is_dropped_with_its_generation() {
    let mut it = eager();
    it.subscribe(&["t"]);
    it.rebalance(1, &[0]);
    it.heartbeat(broker_error(Code::UnknownMemberId));
    assert_eq!(it.run_steps(), []);
    it.join();
}

#[test]
fn a_rebalance_that_began_anew_during_sync_is_joined_again() {
    let mut it = eager();
    it.subscribe(&["t"]);
    it.join();
    it.answer(joined(1, "other"));
    assert!(matches!(it.call(), Call::Sync(_)));
    it.answer(Answer::Sync(broker_error(Code::RebalanceInProgress)));
    assert_eq!(it.join().member_id.as_str(), "me");
}

#[test]
fn what_may_pass_is_tried_again_after_a_pause() {
    let mut it = eager();
    it.subscribe(&["t"]);
    for answer in [
        disconnected(),
        broker_error(Code::CoordinatorLoadInProgress),
        broker_error(Code::NotCoordinator),
    ] {
        it.join();
        it.answer(Answer::Join(answer));
        it.expect_quiet();
        let wake_at = it.member.wake_at().unwrap();
        assert!(it.now < wake_at);
        it.now = wake_at;
        assert!(it.member.take_error().is_none());
    }
    it.rebalance(1, &[0]);
    it.run_steps();
    it.heartbeat(disconnected());
    it.expect_quiet();
    it.now = it.member.wake_at().unwrap();
    assert!(
        matches!(it.call(), Call::Heartbeat(_)),
        "before the interval is over"
    );
}

#[test]
fn what_cannot_pass_is_an_error_of_poll() {
    for code in [
        Code::InconsistentGroupProtocol,
        Code::InvalidSessionTimeout,
        Code::GroupMaxSizeReached,
        Code::GroupAuthorizationFailed,
        Code::FencedInstanceId,
    ] {
        let mut it = eager();
        it.subscribe(&["t"]);
        it.join();
        it.answer(Answer::Join(broker_error(code)));
        it.expect_quiet();
        assert_eq!(it.member.wake_at(), None);
        let error = it.member.take_error().unwrap();
        assert_eq!(error.response_error(), Some(code));
        it.pass(Duration::from_secs(2));
        it.expect_quiet();
        it.poll();
        it.join();
    }
}

#[test]
fn a_static_member_whose_name_is_taken_loses_everything_and_says_so() {
    let mut it = member(default_assignors(), Some("i")).settled(&[0]);
    it.heartbeat(broker_error(Code::FencedInstanceId));
    let error = it.member.take_error().unwrap();
    assert_eq!(error.response_error(), Some(Code::FencedInstanceId));
    it.expect_quiet();
    assert_eq!(
        it.run_steps(),
        [],
        "the other one is let be until it polls on"
    );
    it.poll();
    it.expect_quiet();
    assert_eq!(it.run_steps(), [lose(&[0])]);
    it.join();
}

#[test]
fn an_application_that_does_not_poll_is_taken_out_and_comes_back_when_it_polls() {
    let mut it = eager().settled(&[0]);
    for _ in 0..99 {
        it.heartbeat(Ok(()));
    }
    it.pass(Duration::from_secs(3));
    let Call::Leave(request) = it.call() else {
        panic!();
    };
    assert_eq!(request.members[0].member_id.as_str(), "me");
    it.answer(Answer::Leave(Ok(())));
    it.expect_quiet();
    assert_eq!(it.member.wake_at(), None);
    it.poll();
    it.expect_quiet();
    assert_eq!(it.run_steps(), [lose(&[0])]);
    assert_eq!(it.join().member_id.as_str(), "");
}

#[test]
fn a_static_member_that_does_not_poll_goes_quiet_without_leaving() {
    let mut it = member(default_assignors(), Some("i")).settled(&[0]);
    it.pass(Duration::from_secs(301));
    it.expect_quiet();
    assert_eq!(it.member.identity(), Identity::none());
    it.poll();
    it.expect_quiet();
    assert_eq!(it.run_steps(), [lose(&[0])]);
    it.join();
}

#[test]
fn a_changed_subscription_is_a_rebalance() {
    let mut it = eager().settled(&[0]);
    it.subscribe(&["t", "u"]);
    it.expect_quiet();
    assert_eq!(it.run_steps(), [revoke(&[0], &[])]);
    let request = it.join();
    assert_eq!(
        request.reason.unwrap().as_str(),
        "the subscription has changed"
    );
}

#[test]
fn an_assignment_that_does_not_fit_the_subscription_is_not_taken() {
    let mut it = eager();
    it.subscribe(&["u"]);
    it.rebalance(1, &[0]);
    it.expect_quiet();
    let nothing = Step::Revoke {
        revoked: partitions(&[]),
        remaining: partitions(&[]),
        is_told: true,
    };
    assert_eq!(it.run_steps(), [nothing]);
    it.join();
}

#[test]
fn a_leader_watches_the_partitions_of_all_topics() {
    let mut it = member(vec![Arc::new(RangeAssignor)], None).settled(&[0]);
    let mut seen = AssignableTopics::new();
    seen.insert("t", 1);
    it.member
        .watch(["t".into()].into(), AssignableTopics::new());
    let metadata = it.metadata.clone();
    it.member.on_metadata(&metadata);
    it.expect_quiet();
    it.member.watch(["t".into()].into(), seen);
    it.member.on_metadata(&metadata);
    it.expect_quiet();
    assert_eq!(it.run_steps(), [revoke(&[0], &[])]);
    assert_eq!(
        it.join().reason.unwrap().as_str(),
        "cached metadata has changed"
    );
}

#[test]
fn leaving_gives_up_first_and_then_says_so() {
    let mut it = eager().settled(&[0]);
    it.member.leave(GroupMembershipOperation::Default);
    it.expect_quiet();
    assert!(!it.member.has_left());
    assert_eq!(it.run_steps(), [revoke(&[0], &[])]);
    let Call::Leave(request) = it.call() else {
        panic!();
    };
    assert_eq!(
        request.members[0].reason.as_deref(),
        Some("the consumer is being closed")
    );
    assert!(!it.member.has_left());
    it.answer(Answer::Leave(Ok(())));
    assert!(it.member.has_left());
    it.expect_quiet();
    it.subscribe(&["t"]);
    it.join();
}

#[test]
fn leaving_in_the_middle_of_a_rebalance_loses() {
    let mut it = cooperative().settled(&[0]);
    it.heartbeat(broker_error(Code::RebalanceInProgress));
    it.expect_quiet();
    it.run_steps();
    it.join();
    it.member.leave(GroupMembershipOperation::Default);
    assert_eq!(it.run_steps(), [lose(&[0])]);
    assert!(matches!(it.call(), Call::Leave(_)));
}

#[test]
fn static_members_stay_unless_told_otherwise() {
    for (operation, instance_id, says_so) in [
        (GroupMembershipOperation::Default, None, true),
        (GroupMembershipOperation::Default, Some("i"), false),
        (GroupMembershipOperation::LeaveGroup, Some("i"), true),
        (GroupMembershipOperation::RemainInGroup, None, false),
    ] {
        let mut it = member(default_assignors(), instance_id).settled(&[]);
        it.member.leave(operation);
        let action = it.next();
        assert_eq!(action.is_some(), says_so, "{operation:?} {instance_id:?}");
        assert_eq!(it.member.has_left(), !says_so);
    }
}

/// A member that was told to leave just after it had sent a heartbeat waited for ever for the
/// answer that the task had given up.
#[test]
fn leaving_gives_up_what_is_under_way() {
    let mut it = eager().settled(&[0]);
    it.pass(Duration::from_secs(3));
    assert!(matches!(it.call(), Call::Heartbeat(_)));
    it.member.leave(GroupMembershipOperation::Default);
    it.run_steps();
    assert!(matches!(it.call(), Call::Leave(_)));
    assert!(!it.member.has_left());
    // Whoever gives up waiting for that and tries again, has left.
    it.member.leave(GroupMembershipOperation::Default);
    it.expect_quiet();
    assert!(it.member.has_left());
}

#[test]
fn an_error_that_comes_while_leaving_is_nobodys_matter() {
    let mut it = eager().settled(&[0]);
    it.pass(Duration::from_secs(3));
    it.call();
    it.member.leave(GroupMembershipOperation::Default);
    let refused = broker_error(Code::GroupAuthorizationFailed);
    it.answer(Answer::Heartbeat(refused));
    it.run_steps();
    assert!(matches!(it.call(), Call::Leave(_)));
    assert!(it.member.take_error().is_none());
}

#[test]
fn a_group_of_another_kind_is_an_error() {
    let mut it = eager();
    it.subscribe(&["t"]);
    it.join();
    let answer = JoinGroupResponse::default()
        .with_protocol_type(Some(id("connect")))
        .with_member_id(id("me"));
    it.answer(Answer::Join(Ok(answer)));
    let error = it.member.take_error().unwrap();
    assert_eq!(
        error.response_error(),
        Some(Code::InconsistentGroupProtocol)
    );
}

#[test]
fn an_assignment_that_cannot_be_read_is_an_error() {
    let mut it = eager();
    it.subscribe(&["t"]);
    it.join();
    it.answer(joined(1, "other"));
    it.call();
    let garbage = SyncGroupResponse::default().with_assignment(Bytes::from_static(&[0]));
    it.answer(Answer::Sync(Ok(garbage)));
    assert!(it.member.take_error().is_some());
    it.expect_quiet();
    it.poll();
    it.join();
}

#[test]
fn members_of_a_join_are_read_for_the_assignor() {
    let subscription = crate::consumer::assignor::MemberSubscription::to_topics(&["t"]);
    let metadata =
        crate::consumer::group::embedded_protocol::encode_subscription(&subscription).unwrap();
    let member = JoinGroupResponseMember::default()
        .with_member_id(id("a"))
        .with_group_instance_id(Some(id("i")))
        .with_metadata(metadata);
    let joined = JoinGroupResponse::default().with_members(vec![member]);
    let group = crate::consumer::group::leader::members_of(&joined).unwrap();
    assert_eq!(group["a"].topics, subscription.topics);
    assert_eq!(group["a"].group_instance_id.as_deref(), Some("i"));
    let broken = JoinGroupResponseMember::default().with_member_id(id("a"));
    let joined = JoinGroupResponse::default().with_members(vec![broken]);
    assert!(crate::consumer::group::leader::members_of(&joined).is_err());
}

/// Whatever the coordinator answers, in whatever order: the application is never told of partitions
/// it was told of already, and never asked to give up what it does not have.
#[test]
fn any_answers_keep_the_account_of_partitions() {
    let codes = [
        Code::RebalanceInProgress,
        Code::UnknownMemberId,
        Code::IllegalGeneration,
        Code::NotCoordinator,
        Code::FencedInstanceId,
        Code::GroupMaxSizeReached,
    ];
    for seed in 0..400 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut it = if random.bool() {
            eager()
        } else {
            cooperative()
        };
        let mut has = Partitions::new();
        it.subscribe(&["t"]);
        for turn in 0..120 {
            it.pass(Duration::from_millis(random.u64(0..4_000)));
            if random.u8(0..4) != 0 {
                it.poll();
            }
            if random.bool()
                && let Some(step) = it.member.begin_step()
            {
                take_note(step, &mut has, &format!("seed {seed} turn {turn}"));
                it.member.finish_step();
            }
            let is_bad = random.u8(0..3) == 0;
            let code = codes[random.usize(0..codes.len())];
            let given: Vec<_> = (0..4).filter(|_| random.bool()).collect();
            match it.next() {
                Some(Action::Call(Call::Join(_))) if is_bad => {
                    it.answer(Answer::Join(broker_error(code)));
                }
                Some(Action::Call(Call::Join(_))) => it.answer(joined(turn, "other")),
                Some(Action::Call(Call::Sync(_))) if is_bad => {
                    it.answer(Answer::Sync(broker_error(code)));
                }
                Some(Action::Call(Call::Sync(_))) => it.answer(synced(&given)),
                Some(Action::Call(Call::Heartbeat(_))) if is_bad => {
                    it.answer(Answer::Heartbeat(broker_error(code)));
                }
                Some(Action::Call(Call::Heartbeat(_))) => it.answer(Answer::Heartbeat(Ok(()))),
                Some(Action::Call(Call::Leave(_))) => it.answer(Answer::Leave(Ok(()))),
                Some(other) => panic!("{other:?}"),
                None => drop(it.member.take_error()),
            }
        }
        it.member.leave(GroupMembershipOperation::Default);
        it.run_steps();
        if it.next().is_some() {
            it.answer(Answer::Leave(Ok(())));
        }
        assert!(it.member.has_left(), "seed {seed}");
    }
}
