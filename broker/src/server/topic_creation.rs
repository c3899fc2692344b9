//! Topics that come into being because somebody uses them.
//!
//! The first metadata request for a missing topic creates it (`auto.create.topics.enable`); the
//! coordinators create their own topics when they are first needed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Broker, InternalTopic};
use crate::controller::image::TopicImage;
use crate::controller::topic_plan::{TopicDefaults, TopicRequest, USE_DEFAULT, plan_topic};
use crate::controller::{ControllerError, MetadataError, topic_name};

/// [`USE_DEFAULT`] in the type of a replication factor.
const REPLICATION_FACTOR_DEFAULT: i16 = -1;

/// Why a topic could not be created.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TopicCreationError {
    /// The topic cannot exist as asked for.
    #[error(transparent)]
    Refused(#[from] MetadataError),
    /// The metadata could not be changed.
    #[error(transparent)]
    Controller(#[from] ControllerError),
}

impl Broker {
    /// Creates the topic with the broker's defaults, or as the coordinator's settings say if it is
    /// a coordinator's, unless it exists.
    ///
    /// # Errors
    /// See [`TopicCreationError`]; an invalid name is the usual one.
    pub(crate) async fn create_topic_on_first_use(
        &self,
        name: &str,
    ) -> Result<Arc<TopicImage>, TopicCreationError> {
        if let Some(internal) = InternalTopic::named(name) {
            return self.internal_topic(internal).await;
        }
        let defaults = self.topic_defaults();
        self.create_topic_if_missing(name, defaults, BTreeMap::new())
            .await
    }

    /// `num.partitions` and `default.replication.factor`.
    pub(crate) fn topic_defaults(&self) -> TopicDefaults {
        let config = self.config();
        TopicDefaults {
            partitions: config.topics.num_partitions,
            replication_factor: config.topics.default_replication_factor,
        }
    }

    /// Creates the topic, or returns it when it exists or somebody else creates it meanwhile.
    ///
    /// # Errors
    /// See [`TopicCreationError`].
    pub(crate) async fn create_topic_if_missing(
        &self,
        name: &str,
        defaults: TopicDefaults,
        configs: BTreeMap<String, String>,
    ) -> Result<Arc<TopicImage>, TopicCreationError> {
        let request = TopicRequest {
            name: name.to_owned(),
            partitions: USE_DEFAULT,
            replication_factor: REPLICATION_FACTOR_DEFAULT,
            assignments: Vec::new(),
            configs,
        };
        let image = self.controller.image();
        let result = match plan_topic(&image, request, defaults, topic_name::new_topic_id()) {
            Ok(topic) => self.controller.create_topics(vec![topic]).await?.pop(),
            Err(error) => Some(Err(error)),
        };
        self.metadata_applied().await;
        match result {
            Some(Ok(topic)) => {
                tracing::info!(
                    topic = name,
                    partitions = topic.partitions.len(),
                    "topic created"
                );
                Ok(topic)
            }
            Some(Err(MetadataError::TopicExists(_))) => {
                let image = self.controller.image();
                let unknown = || MetadataError::UnknownTopic(name.to_owned());
                Ok(Arc::clone(image.topic(name).ok_or_else(unknown)?))
            }
            Some(Err(error)) => Err(error.into()),
            None => Err(MetadataError::UnknownTopic(name.to_owned()).into()),
        }
    }
}
