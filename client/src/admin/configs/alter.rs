//! Changing configurations, entry by entry (KIP-339).

use std::collections::BTreeMap;

use futures_util::future::join_all;
use ringbrook_protocol::messages::IncrementalAlterConfigsRequest;
use ringbrook_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};

use super::resource::by_node;
use super::{ConfigResource, ConfigResourceType};
use crate::admin::driver::{at_controller, checked};
use crate::admin::wire::text;
use crate::admin::{Admin, PerItem};
use crate::cluster::Target;

/// What is done to an entry (`AlterConfigOp.OpType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OpType {
    /// The value is set.
    Set,
    /// What was set is removed; the default holds again.
    Delete,
    /// The values are added to a list.
    Append,
    /// The values are taken out of a list.
    Subtract,
}

impl OpType {
    fn id(self) -> i8 {
        match self {
            Self::Set => 0,
            Self::Delete => 1,
            Self::Append => 2,
            Self::Subtract => 3,
        }
    }
}

/// A change of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterConfigOp {
    /// The entry's name.
    pub name: String,
    /// What is done to it.
    pub op: OpType,
    /// With which value; nothing for a deletion.
    pub value: Option<String>,
}

impl AlterConfigOp {
    /// Sets an entry.
    pub fn set(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self::new(name, OpType::Set, Some(value.into()))
    }

    /// Removes what was set.
    pub fn delete(name: impl Into<String>) -> Self {
        Self::new(name, OpType::Delete, None)
    }

    /// Adds values, with commas between them, to a list.
    pub fn append(name: impl Into<String>, values: impl Into<String>) -> Self {
        Self::new(name, OpType::Append, Some(values.into()))
    }

    /// Takes values, with commas between them, out of a list.
    pub fn subtract(name: impl Into<String>, values: impl Into<String>) -> Self {
        Self::new(name, OpType::Subtract, Some(values.into()))
    }

    fn new(name: impl Into<String>, op: OpType, value: Option<String>) -> Self {
        Self {
            name: name.into(),
            op,
            value,
        }
    }

    fn to_wire(&self) -> AlterableConfig {
        AlterableConfig::default()
            .with_name(text(&self.name))
            .with_config_operation(self.op.id())
            .with_value(self.value.as_deref().map(text))
    }
}

impl Admin {
    /// Changes configurations; with `validate_only` it only says whether that would work. A broker
    /// changes its own; the controller changes the rest. All changes of one resource hold, or none.
    pub async fn incremental_alter_configs(
        &self,
        changes: &BTreeMap<ConfigResource, Vec<AlterConfigOp>>,
        validate_only: bool,
    ) -> PerItem<ConfigResource, ()> {
        let call = self.begin("altering configurations", at_controller);
        let resources = changes.keys().cloned();
        self.drive(call, resources, async |open: Vec<ConfigResource>| {
            let asking = by_node(&open).into_iter().map(async |(node, items)| {
                let target = node.map_or(Target::Controller, Target::Node);
                let build = |_| Ok(build(&items, changes, validate_only));
                self.ask(call, target, &items, build, |answer| {
                    let results = answer.responses.into_iter().map(|result| {
                        let kind = ConfigResourceType::of_id(result.resource_type);
                        let it = ConfigResource::new(kind, result.resource_name.to_string());
                        let message = result.error_message.as_deref();
                        let result = checked(result.error_code, message, || it.to_string());
                        (it, result)
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
    resources: &[ConfigResource],
    changes: &BTreeMap<ConfigResource, Vec<AlterConfigOp>>,
    validate_only: bool,
) -> IncrementalAlterConfigsRequest {
    let resources = resources.iter().map(|it| {
        let ops = changes.get(it).into_iter().flatten();
        AlterConfigsResource::default()
            .with_resource_type(it.kind.id())
            .with_resource_name(text(&it.name))
            .with_configs(ops.map(AlterConfigOp::to_wire).collect())
    });
    IncrementalAlterConfigsRequest::default()
        .with_resources(resources.collect())
        .with_validate_only(validate_only)
}
