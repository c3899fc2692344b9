//! Who may commit and fetch offsets.

use uuid::Uuid;

use super::harness::{Harness, beat, harness, join, owning};
use crate::group::consumer::offsets::Committer;
use crate::group::error::GroupError;

fn committer(member_id: &str, member_epoch: i32) -> Committer<'_> {
    Committer {
        member_id,
        has_instance_id: false,
        member_epoch,
        is_transactional: false,
        knows_member_epochs: true,
    }
}

fn commit(h: &Harness, who: Committer<'_>, of: &[(Uuid, i32)]) -> Result<(), GroupError> {
    h.group.validate_offset_commit(who, of.iter().copied())
}

#[test]
fn an_empty_group_takes_commits_of_nobody() {
    let mut h = harness();
    let topic = h.topics.put("t", 1);
    assert_eq!(commit(&h, committer("", -1), &[(topic, 0)]), Ok(()));
    h.send(&join("a", &["t"])).unwrap();
    let nobody = commit(&h, committer("", -1), &[(topic, 0)]);
    assert_eq!(nobody, Err(GroupError::UnknownMemberId));
    // In a transaction the member need not be said.
    let transactional = Committer {
        is_transactional: true,
        ..committer("", -1)
    };
    assert_eq!(commit(&h, transactional, &[(topic, 0)]), Ok(()));
    assert_eq!(
        commit(
            &h,
            Committer {
                has_instance_id: true,
                ..transactional
            },
            &[]
        ),
        Err(GroupError::UnknownMemberId)
    );
}

#[test]
fn members_commit_with_their_epoch_or_that_of_what_they_have_kept() {
    let mut h = harness();
    let topic = h.topics.put("t", 2);
    h.send(&join("a", &["t"])).unwrap();
    h.send(&join("b", &["t"])).unwrap();
    let kept = h.send(&beat("a", 2)).unwrap().assignment.unwrap();
    let kept_index = *kept[&topic].first().unwrap();
    let (kept_one, other) = ((topic, kept_index), (topic, 1 - kept_index));
    // What it is giving up is still its own.
    assert_eq!(commit(&h, committer("a", 2), &[kept_one, other]), Ok(()));
    h.send(&owning("a", 2, &kept)).unwrap();
    h.send(&beat("b", 3)).unwrap();
    assert_eq!(commit(&h, committer("a", 3), &[kept_one]), Ok(()));
    // The commit was under way when the epoch rose (KIP-1251).
    assert_eq!(commit(&h, committer("a", 2), &[kept_one]), Ok(()));
    for (who, of) in [
        (committer("a", 2), [kept_one, other]),
        (committer("a", 4), [kept_one, kept_one]),
        (committer("a", 1), [kept_one, kept_one]),
        (committer("b", 2), [other, other]),
    ] {
        assert_eq!(
            commit(&h, who, &of),
            Err(GroupError::StaleMemberEpoch),
            "{who:?} {of:?}"
        );
    }
    assert_eq!(commit(&h, committer("b", 3), &[other]), Ok(()));
    assert_eq!(
        commit(&h, committer("c", 3), &[]),
        Err(GroupError::UnknownMemberId)
    );
    let old = Committer {
        knows_member_epochs: false,
        ..committer("a", 3)
    };
    assert_eq!(commit(&h, old, &[]), Err(GroupError::UnsupportedVersion));
}

#[test]
fn members_fetch_with_their_epoch_and_others_without() {
    let mut h = harness();
    h.topics.put("t", 1);
    h.send(&join("a", &["t"])).unwrap();
    let fetch = |id, epoch| h.group.validate_offset_fetch(id, epoch);
    assert_eq!(fetch(None, -1), Ok(()));
    assert_eq!(fetch(Some("a"), 2), Ok(()));
    assert_eq!(fetch(Some("a"), 1), Err(GroupError::StaleMemberEpoch));
    assert_eq!(fetch(Some("b"), 2), Err(GroupError::UnknownMemberId));
    assert_eq!(fetch(None, 2), Err(GroupError::UnknownMemberId));
    assert_eq!(fetch(Some(""), -1), Err(GroupError::UnknownMemberId));
}
