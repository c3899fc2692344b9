//! Offsets in transactions: TxnOffsetCommit, and OffsetFetch that insists on stable offsets.

use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::DeleteGroupsRequest;
use ringbrook_tests::{SharedBroker, unique};

use crate::group::{Member, commit, fetched_offset, find_coordinator, group_id, stable_member};
use crate::transaction::{
    Code, Producer, Protocol, settled_code, stable_offset, stable_offset_at_the_end,
};

const BOTH: [Protocol; 2] = [Protocol::V1, Protocol::V2];
const UNSTABLE: Result<i64, ResponseError> = Err(ResponseError::UnstableOffsetCommit);

/// A producer, a topic with one partition, and nobody in a group.
fn begin(protocol: Protocol) -> anyhow::Result<(Producer, String, Member)> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("consumed");
    client.create_topic(&topic, 1, &[])?;
    let group = unique("transactional");
    find_coordinator(&mut client, &group)?;
    let producer = Producer::init(client, &unique("offsets"), protocol)?.on(&broker);
    Ok((producer, topic, Member::simple(&group)))
}

#[test]
fn offsets_are_committed_with_their_transaction() -> anyhow::Result<()> {
    for protocol in BOTH {
        let (mut producer, topic, nobody) = begin(protocol)?;
        let group = &nobody.group;
        producer.commit_offset(&nobody, &topic, 0, 5)?;
        let client = &mut producer.client;
        assert_eq!(fetched_offset(client, group, &topic, 0)?.0, -1);
        assert_eq!(
            stable_offset(client, group, &topic)?,
            UNSTABLE,
            "{protocol:?}"
        );
        producer.end(true)?;
        let client = &mut producer.client;
        assert_eq!(stable_offset_at_the_end(client, group, &topic)?, Ok(5));
        let committed = fetched_offset(client, group, &topic, 0)?;
        assert_eq!(committed, (5, "in a transaction".to_owned()));

        producer.send(&topic, 0, &["with records"])?;
        producer.commit_offset(&nobody, &topic, 0, 6)?;
        producer.commit_offset(&nobody, &topic, 0, 7)?;
        let client = &mut producer.client;
        assert_eq!(fetched_offset(client, group, &topic, 0)?.0, 5);
        producer.end(false)?;
        let client = &mut producer.client;
        assert_eq!(stable_offset_at_the_end(client, group, &topic)?, Ok(5));
        producer.commit_offset(&nobody, &topic, 0, 8)?;
        producer.end(true)?;
        let client = &mut producer.client;
        assert_eq!(stable_offset_at_the_end(client, group, &topic)?, Ok(8));
    }
    Ok(())
}

#[test]
fn a_later_plain_commit_stays_when_the_transaction_commits() -> anyhow::Result<()> {
    let (mut producer, topic, nobody) = begin(Protocol::V2)?;
    producer.commit_offset(&nobody, &topic, 0, 5)?;
    let plain = commit(&mut producer.client, &nobody.commit(&topic, 0, 9))?;
    assert_eq!(plain, None);
    producer.end(true)?;
    let stable = stable_offset_at_the_end(&mut producer.client, &nobody.group, &topic)?;
    assert_eq!(stable, Ok(9));
    Ok(())
}

#[test]
fn the_group_has_to_be_in_the_transaction_of_old_producers() -> anyhow::Result<()> {
    let (mut producer, topic, nobody) = begin(Protocol::V1)?;
    for (version, expected) in [
        (2, ResponseError::InvalidTxnState),
        (3, ResponseError::InvalidTxnState),
        (4, ResponseError::TransactionAbortable),
    ] {
        // Without any transaction, and in one that the group is not part of.
        let mut ask =
            || settled_code(|| producer.try_commit_offset_in(version, &nobody, &topic, 0, 1));
        assert_eq!(ask()?, Some(expected), "version {version}");
    }
    producer.send(&topic, 0, &["open"])?;
    for (version, expected) in [
        (3, ResponseError::InvalidTxnState),
        (4, ResponseError::TransactionAbortable),
    ] {
        let code = settled_code(|| producer.try_commit_offset_in(version, &nobody, &topic, 0, 1))?;
        assert_eq!(code, Some(expected), "version {version}");
    }
    let added = settled_code(|| producer.try_add_offsets(&nobody.group))?;
    assert_eq!(added, None);
    for version in 0..=4 {
        let code = producer.try_commit_offset_in(version, &nobody, &topic, 0, version.into())?;
        assert_eq!(code, None, "version {version}");
    }
    producer.end(true)?;
    let stable = stable_offset_at_the_end(&mut producer.client, &nobody.group, &topic)?;
    assert_eq!(stable, Ok(4));
    Ok(())
}

#[test]
fn strangers_and_fenced_producers_commit_nothing() -> anyhow::Result<()> {
    for protocol in BOTH {
        let (mut producer, topic, nobody) = begin(protocol)?;
        producer.commit_offset(&nobody, &topic, 0, 1)?;
        producer.end(true)?;
        let now = (producer.id, producer.epoch);
        let mut ask = |claimed| {
            producer.become_(claimed);
            settled_code(|| producer.try_commit_offset(&nobody, &topic, 0, 2))
        };
        let epoch: Code = Some(ResponseError::InvalidProducerEpoch);
        assert_eq!(ask((now.0, now.1 + 1))?, epoch, "{protocol:?}");
        if protocol == Protocol::V2 {
            assert_eq!(ask((now.0, now.1 - 1))?, epoch, "{protocol:?}");
        }
        let mapping = Some(ResponseError::InvalidProducerIdMapping);
        assert_eq!(ask((now.0 + 1, now.1))?, mapping, "{protocol:?}");
        producer.become_(now);
        let stable = stable_offset_at_the_end(&mut producer.client, &nobody.group, &topic)?;
        assert_eq!(stable, Ok(1));
    }
    Ok(())
}

#[test]
fn the_group_has_its_say() -> anyhow::Result<()> {
    let (mut producer, topic, nobody) = begin(Protocol::V2)?;
    let group = nobody.group.clone();
    let as_member = |id: &str, generation| Member {
        group: group.clone(),
        id: id.to_owned(),
        generation,
    };
    let illegal = Some(ResponseError::IllegalGeneration);
    let mut ask = |member: &Member, topic: &str| {
        settled_code(|| producer.try_commit_offset(member, topic, 0, 3))
    };
    assert_eq!(ask(&as_member("", 4), &topic)?, illegal, "an unknown group");
    let nameless = Member::simple("");
    assert_eq!(ask(&nameless, &topic)?, Some(ResponseError::InvalidGroupId));
    let absent = Some(ResponseError::UnknownTopicOrPartition);
    assert_eq!(ask(&nobody, "no-such-topic")?, absent);

    let mut client = SharedBroker::current()?.client()?;
    let member = stable_member(&mut client, &group)?;
    assert_eq!(ask(&member, &topic)?, None);
    assert_eq!(
        ask(&nobody, &topic)?,
        None,
        "a producer that knows nothing of the group"
    );
    let behind = as_member(&member.id, member.generation - 1);
    assert_eq!(ask(&behind, &topic)?, illegal);
    let stranger = as_member("stranger", member.generation);
    assert_eq!(
        ask(&stranger, &topic)?,
        Some(ResponseError::UnknownMemberId)
    );
    producer.end(true)?;
    assert_eq!(
        stable_offset_at_the_end(&mut client, &group, &topic)?,
        Ok(3)
    );
    Ok(())
}

#[test]
fn deleting_the_group_takes_its_pending_offsets_along() -> anyhow::Result<()> {
    let (mut producer, topic, nobody) = begin(Protocol::V2)?;
    let plain = commit(&mut producer.client, &nobody.commit(&topic, 0, 1))?;
    assert_eq!(plain, None);
    producer.commit_offset(&nobody, &topic, 0, 5)?;
    let request = DeleteGroupsRequest::default().with_groups_names(vec![group_id(&nobody.group)]);
    let deleted = producer.client.call(&request, 2)?;
    assert_eq!(deleted.results[0].error_code, 0);
    producer.end(true)?;
    let stable = stable_offset_at_the_end(&mut producer.client, &nobody.group, &topic)?;
    assert_eq!(stable, Ok(-1));
    Ok(())
}
