//! The native admin client: what the other `client_admin_*` files share, and calls that nobody
//! answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use ringbrook_client::admin::{
    CreateTopicsOptions, ListOffsetsOptions, NewTopic, OffsetSpec, PerItem,
};
use ringbrook_client::config::AdminConfig;
use ringbrook_client::net::HostPort;
use ringbrook_client::{Admin, ClientError, TopicPartition};
use ringbrook_protocol::ResponseError;
use ringbrook_tests::{SharedBroker, unique};

/// A broker, kept for as long as the test runs, and an admin client of it.
pub(crate) struct Ground {
    pub(crate) broker: Arc<SharedBroker>,
    pub(crate) admin: Admin,
}

impl Ground {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let broker = SharedBroker::current()?;
        let admin = admin_of(&broker.address().to_string())?;
        Ok(Self { broker, admin })
    }

    /// The id of the only broker.
    pub(crate) async fn node(&self) -> anyhow::Result<i32> {
        let cluster = self.admin.describe_cluster().await?;
        let node = cluster.nodes.first();
        Ok(node.context("a cluster has a broker")?.id)
    }

    /// Creates a topic and waits until it is served.
    pub(crate) async fn topic(&self, name: &str, partitions: i32) -> anyhow::Result<String> {
        let name = unique(name);
        self.admin
            .create_topics(
                &[NewTopic::new(&name)
                    .partitions(partitions)
                    .replication_factor(1)],
                CreateTopicsOptions::default(),
            )
            .await
            .all()?;
        // Apache Kafka announces a topic, and serves it, a moment after it has said that it is
        // created.
        let partitions = (0..partitions).map(|index| TopicPartition::new(name.as_str(), index));
        let latest = partitions.map(|it| (it, OffsetSpec::Latest)).collect();
        let options = ListOffsetsOptions::default();
        self.admin.list_offsets(&latest, options).await.all()?;
        Ok(name)
    }
}

pub(crate) fn admin_of(address: &str) -> anyhow::Result<Admin> {
    let address: HostPort = address.parse().map_err(anyhow::Error::msg)?;
    Ok(Admin::new(AdminConfig::new(vec![address]))?)
}

/// Whether it failed only because the broker does not serve the API; the error says which one, and
/// what to do.
pub(crate) fn is_unserved<T>(result: &Result<T, ClientError>) -> bool {
    let Err(error) = result else {
        return false;
    };
    let ClientError::UnsupportedVersion { api, served, .. } = error else {
        return false;
    };
    let text = error.to_string();
    assert!(
        text.contains(&format!("{api:?}")) && served.is_none(),
        "{text}"
    );
    assert!(text.contains("use a broker that does"), "{text}");
    true
}

/// Asks again and again, each time over the network, until the answer is yes: brokers of Apache
/// Kafka learn a moment later what the controller has decided.
pub(crate) async fn eventually(
    what: &str,
    mut ask: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let asking = async {
        while !ask().await? {}
        Ok(())
    };
    let patience = std::time::Duration::from_secs(15);
    let asked = tokio::time::timeout(patience, asking).await;
    asked.with_context(|| format!("never true: {what}"))?
}

/// The error codes of each item, by item; nothing for a success.
pub(crate) fn codes<K: Ord + Clone, V>(
    results: &PerItem<K, V>,
) -> BTreeMap<K, Option<ResponseError>> {
    let results = results.iter().map(|(item, result)| {
        let error = result.as_ref().err();
        // An error that no broker has sent would look like a success.
        let code = error.map(|error| error.response_error().expect("a broker's error"));
        (item.clone(), code)
    });
    results.collect()
}

#[tokio::test]
async fn client_admin_calls_end_at_their_timeout() -> anyhow::Result<()> {
    // The port is taken, so that nobody answers, by a listener that accepts and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let admin = admin_of(&silent.local_addr()?.to_string())?;
    let admin = admin.with_timeout(std::time::Duration::from_millis(300));
    let described = admin.describe_topics(["a", "b"]).await;
    assert_eq!(described.len(), 2);
    for (_, result) in described {
        assert!(
            matches!(result, Err(ClientError::Timeout { .. })),
            "{result:?}"
        );
    }
    Ok(())
}
