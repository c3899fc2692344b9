//! Which resources have a configuration of their own.

use ringbrook_protocol::messages::ListConfigResourcesRequest;

use super::{ConfigResource, ConfigResourceType};
use crate::admin::Admin;
use crate::cluster::Target;
use crate::error::{BrokerError, ClientError};

impl Admin {
    /// Lists resources of these kinds, of all kinds with an empty list: topics and brokers whether
    /// or not they are configured, groups and client metrics that are. Before Kafka 4.1, only
    /// client metrics (KIP-1142).
    ///
    /// # Errors
    /// No broker answers in time, or it refuses.
    pub async fn list_config_resources(
        &self,
        kinds: &[ConfigResourceType],
    ) -> Result<Vec<ConfigResource>, ClientError> {
        let only_metrics = kinds == [ConfigResourceType::ClientMetrics];
        self.cluster
            .call_until::<ListConfigResourcesRequest, _>(
                Target::Any,
                i16::MAX,
                self.deadline(),
                |version| {
                    if version < 1 && !only_metrics {
                        return Err(ClientError::Unsupported(
                            "this broker is too old to list anything but client metrics".to_owned(),
                        ));
                    }
                    let kinds = kinds.iter().map(|kind| kind.id());
                    let kinds = if version < 1 {
                        Vec::new()
                    } else {
                        kinds.collect()
                    };
                    Ok(ListConfigResourcesRequest::default().with_resource_types(kinds))
                },
                |answer| {
                    BrokerError::check(answer.error_code, "listing configurations")?;
                    let resources = answer.config_resources.into_iter().map(|it| {
                        let kind = ConfigResourceType::of_id(it.resource_type);
                        ConfigResource::new(kind, it.resource_name.to_string())
                    });
                    let mut resources: Vec<_> = resources.collect();
                    resources.sort();
                    Ok(resources)
                },
            )
            .await
    }
}
