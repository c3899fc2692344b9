//! An assignor of the application's own, and what the listeners of members without partitions are
//! told.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ringbrook_client::TopicPartition;
use ringbrook_client::config::{ConsumerConfig, Properties};
use ringbrook_client::consumer::assignor::{
    AssignableTopics, Assignment, Assignor, AssignorError, GroupAssignment, GroupSubscription,
    LastAssignment,
};
use ringbrook_client::consumer::{Consumer, GroupMembershipOperation};
use ringbrook_client::serialization::StringSerializer;
use ringbrook_protocol::ResponseError;
use ringbrook_tests::unique;

use crate::client_admin::Ground;
use crate::client_groups::{DEADLINE, Member, Told, indexes, is, poll_until};

const QUICK: &[(&str, &str)] = &[("heartbeat.interval.ms", "200")];

/// Gives each member as many partitions as it says that it can read.
struct ByWeight {
    weight: u8,
}

impl Assignor for ByWeight {
    fn name(&self) -> &str {
        "by-weight"
    }

    fn user_data(&self, last: &LastAssignment) -> Option<Bytes> {
        let given = last.assignment.as_ref().map_or(0, |it| it.partitions.len());
        let given = u8::try_from(given).expect("tests are small");
        Some(Bytes::from(vec![self.weight, given]))
    }

    fn assign(
        &self,
        topics: &AssignableTopics,
        group: &GroupSubscription,
    ) -> Result<GroupAssignment, AssignorError> {
        let mut partitions = Vec::new();
        for (topic, racks) in topics.iter() {
            let indexes = (0..).take(racks.len());
            partitions.extend(indexes.map(|it| TopicPartition::new(Arc::clone(topic), it)));
        }
        let mut left = partitions.into_iter();
        let mut all = GroupAssignment::new();
        for (id, member) in group {
            let data = member.user_data.as_ref();
            let weight = data.and_then(|it| it.first()).copied();
            let weight = weight.ok_or_else(|| AssignorError(format!("{id} says no weight")))?;
            let given = Assignment {
                partitions: left.by_ref().take(weight.into()).collect(),
                user_data: data.cloned(),
            };
            all.insert(Arc::clone(id), given);
        }
        match left.next() {
            None => Ok(all),
            Some(too_much) => Err(AssignorError(format!("nobody can read {too_much}"))),
        }
    }
}

impl Ground {
    fn weighted(&self, group: &str, weight: u8) -> anyhow::Result<Member> {
        let mut properties: Properties = QUICK.iter().copied().collect();
        properties.set("bootstrap.servers", self.broker.address().to_string());
        properties.set("group.id", group);
        let config = ConsumerConfig::from_properties(&properties)?;
        Ok(Consumer::builder(config)
            .key_deserializer(StringSerializer)
            .value_deserializer(StringSerializer)
            .assignor(ByWeight { weight })
            .build()?)
    }
}

#[tokio::test]
async fn client_groups_assignors_may_be_the_applications_own() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("groups-own-assignor", 4).await?;
    let group = unique("groups-own-assignor");
    let (strong, weak) = (ground.weighted(&group, 3)?, ground.weighted(&group, 1)?);
    // Nobody can read all alone, and the leader's poll says so until there are enough members.
    strong.subscribe([topic.as_str()])?;
    let alone = async {
        loop {
            if let Err(error) = strong.poll(std::time::Duration::from_millis(50)).await {
                return error.to_string();
            }
        }
    };
    let alone = alone.await;
    assert!(
        alone.contains("assignor by-weight: nobody can read"),
        "{alone}"
    );
    weak.subscribe([topic.as_str()])?;
    let joined = async {
        while (indexes(&strong).len(), indexes(&weak).len()) != (3, 1) {
            for member in [&strong, &weak] {
                // Until both are there, either may lead and say that nobody can.
                drop(member.poll(std::time::Duration::from_millis(50)).await);
            }
        }
    };
    tokio::time::timeout(DEADLINE, joined).await?;
    let shares: BTreeMap<_, _> = [("strong", indexes(&strong)), ("weak", indexes(&weak))].into();
    assert!(shares["strong"].is_disjoint(&shares["weak"]), "{shares:?}");
    // Members that cannot agree on an assignor cannot be in one group.
    let other = ground.member(&group, QUICK)?;
    other.subscribe([topic.as_str()])?;
    let refused = poll_until(&[&other], |_| false).await.unwrap_err();
    let refused = refused.downcast_ref().expect("a client's error");
    assert!(
        is(refused, &[ResponseError::InconsistentGroupProtocol]),
        "{refused}"
    );
    weak.close().await?;
    strong.close().await?;
    Ok(())
}

#[tokio::test]
async fn client_groups_assignors_that_are_eager_revoke_also_nothing() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("groups-idle", 1).await?;
    let group = unique("groups-idle");
    // Range serves static members in the order of their ids, so that the first one has all.
    let named = |id| ground.member(&group, &[QUICK, &[("group.instance.id", id)]].concat());
    let (busy, idle, late) = (named("a")?, named("b")?, named("c")?);
    let told = Told::default();
    busy.subscribe([topic.as_str()])?;
    poll_until(&[&busy], |_| indexes(&busy).len() == 1).await?;
    idle.subscribe_with([topic.as_str()], told.clone())?;
    poll_until(&[&busy, &idle], |_| told.len() == 1).await?;
    late.subscribe([topic.as_str()])?;
    poll_until(&[&busy, &idle, &late], |_| told.len() == 3).await?;
    let nothing = |name| (name, Vec::new());
    assert_eq!(
        told.take(),
        ["assigned", "revoked", "assigned"].map(nothing)
    );
    for member in [&busy, &idle, &late] {
        let leave = GroupMembershipOperation::LeaveGroup;
        member.close_with(leave, DEADLINE).await?;
    }
    // Who leaves with nothing is not told.
    assert_eq!(told.take(), []);
    Ok(())
}
