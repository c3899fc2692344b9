//! Which topics there are.

use ringbrook_protocol::messages::MetadataRequest;
use uuid::Uuid;

use crate::admin::Admin;
use crate::cluster::Target;
use crate::error::{BrokerError, ClientError};

/// A topic's name and id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicListing {
    /// Its name.
    pub name: String,
    /// Its id; nil from brokers that do not say.
    pub topic_id: Uuid,
    /// Whether it is one of the broker's own, such as `__consumer_offsets`.
    pub is_internal: bool,
}

impl Admin {
    /// Lists topics by name, the broker's own ones only when asked for.
    ///
    /// # Errors
    /// No broker answers in time.
    pub async fn list_topics(&self, with_internal: bool) -> Result<Vec<TopicListing>, ClientError> {
        self.cluster
            .call_until::<MetadataRequest, _>(
                Target::Any,
                i16::MAX,
                self.deadline(),
                |_| {
                    Ok(MetadataRequest::default()
                        .with_topics(None)
                        .with_allow_auto_topic_creation(true))
                },
                |answer| {
                    BrokerError::check(answer.error_code, "listing topics")?;
                    let topics = answer.topics.into_iter();
                    let topics = topics.filter(|topic| with_internal || !topic.is_internal);
                    let topics = topics.filter_map(|topic| {
                        Some(TopicListing {
                            name: topic.name?.to_string(),
                            topic_id: topic.topic_id,
                            is_internal: topic.is_internal,
                        })
                    });
                    let mut topics: Vec<_> = topics.collect();
                    topics.sort();
                    Ok(topics)
                },
            )
            .await
    }
}
