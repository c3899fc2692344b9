//! Deleting topics.

use std::collections::BTreeSet;

use ringbrook_protocol::messages::DeleteTopicsRequest;
use ringbrook_protocol::messages::delete_topics_request::DeleteTopicState;
use uuid::Uuid;

use crate::admin::driver::{at_controller, checked};
use crate::admin::wire::topic_name;
use crate::admin::{Admin, PerItem};
use crate::cluster::Target;
use crate::error::ClientError;

impl Admin {
    /// Deletes topics by name. A topic may be seen a moment longer on some brokers.
    pub async fn delete_topics(
        &self,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> PerItem<String, ()> {
        let call = self.begin("deleting topics", at_controller);
        let names = names.into_iter().map(Into::into);
        let names: BTreeSet<String> = names.collect();
        self.drive(call, names, async |open: Vec<String>| {
            let build = |version| {
                let names = open.iter().map(|name| topic_name(name));
                let request = DeleteTopicsRequest::default().with_timeout_ms(call.timeout_ms(self));
                // Version 6 has names and ids in one list (KIP-516).
                Ok(if version < 6 {
                    request.with_topic_names(names.collect())
                } else {
                    let named = |name| DeleteTopicState::default().with_name(Some(name));
                    request.with_topics(names.map(named).collect())
                })
            };
            self.ask(call, Target::Controller, &open, build, |answer| {
                let topics = answer.responses.into_iter().filter_map(|topic| {
                    let name = topic.name?.to_string();
                    let message = topic.error_message.as_deref();
                    let result = checked(topic.error_code, message, || format!("topic {name}"));
                    Some((name, result))
                });
                Ok(topics.collect())
            })
            .await
        })
        .await
    }

    /// Deletes topics by id. Needs a broker of Kafka 2.8 or later.
    pub async fn delete_topics_by_id(
        &self,
        ids: impl IntoIterator<Item = Uuid>,
    ) -> PerItem<Uuid, ()> {
        let call = self.begin("deleting topics", at_controller);
        self.drive(call, ids, async |open: Vec<Uuid>| {
            let build = |version| {
                if version < 6 {
                    return Err(ClientError::Unsupported(
                        "this broker is too old to delete topics by id: give their names"
                            .to_owned(),
                    ));
                }
                let ids = open.iter().map(|id| {
                    DeleteTopicState::default()
                        .with_name(None)
                        .with_topic_id(*id)
                });
                Ok(DeleteTopicsRequest::default()
                    .with_topics(ids.collect())
                    .with_timeout_ms(call.timeout_ms(self)))
            };
            self.ask(call, Target::Controller, &open, build, |answer| {
                let topics = answer.responses.into_iter().map(|topic| {
                    let id = topic.topic_id;
                    let message = topic.error_message.as_deref();
                    let result = checked(topic.error_code, message, || format!("topic id {id}"));
                    (id, result)
                });
                Ok(topics.collect())
            })
            .await
        })
        .await
    }
}
