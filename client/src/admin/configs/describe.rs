//! Reading configurations.

use futures_util::future::join_all;
use ringbrook_protocol::messages::DescribeConfigsRequest;
use ringbrook_protocol::messages::describe_configs_request::DescribeConfigsResource;

use super::resource::by_node;
use super::{ConfigEntry, ConfigResource, ConfigResourceType};
use crate::admin::driver::{checked, never};
use crate::admin::wire::text;
use crate::admin::{Admin, PerItem};
use crate::cluster::Target;

/// What is read of configurations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DescribeConfigsOptions {
    /// Also where else each value is set.
    pub include_synonyms: bool,
    /// Also what each is for. Needs a broker of Kafka 2.6 or later; left out by older ones.
    pub include_documentation: bool,
}

impl Admin {
    /// The configurations of resources. A broker is asked about itself; any broker about the rest.
    pub async fn describe_configs(
        &self,
        resources: impl IntoIterator<Item = ConfigResource>,
        options: DescribeConfigsOptions,
    ) -> PerItem<ConfigResource, Vec<ConfigEntry>> {
        let call = self.begin("describing configurations", never);
        self.drive(call, resources, async |open: Vec<ConfigResource>| {
            let asking = by_node(&open).into_iter().map(async |(node, items)| {
                let target = node.map_or(Target::Any, Target::Node);
                let build = |version| Ok(build(version, &items, options));
                self.ask(call, target, &items, build, |answer| {
                    let results = answer.results.into_iter().map(|result| {
                        let kind = ConfigResourceType::of_id(result.resource_type);
                        let it = ConfigResource::new(kind, result.resource_name.to_string());
                        let message = result.error_message.as_deref();
                        let error = checked(result.error_code, message, || it.to_string());
                        let configs = result.configs.into_iter().map(Into::into);
                        (it, error.map(|()| configs.collect()))
                    });
                    Ok(results.collect())
                })
                .await
            });
            join_all(asking).await.into_iter().flatten().collect()
        })
        .await
    }
}

fn build(
    version: i16,
    resources: &[ConfigResource],
    options: DescribeConfigsOptions,
) -> DescribeConfigsRequest {
    let resources = resources.iter().map(|it| {
        DescribeConfigsResource::default()
            .with_resource_type(it.kind.id())
            .with_resource_name(text(&it.name))
            .with_configuration_keys(None)
    });
    DescribeConfigsRequest::default()
        .with_resources(resources.collect())
        .with_include_synonyms(options.include_synonyms)
        .with_include_documentation(options.include_documentation && 3 <= version)
}
