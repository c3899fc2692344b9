//! Quotas of users, clients and IP addresses (KIP-546).

use std::collections::BTreeMap;
use std::fmt;

use ringbrook_protocol::messages::alter_client_quotas_request::{self as alter, OpData};
use ringbrook_protocol::messages::describe_client_quotas_request::ComponentData;
use ringbrook_protocol::messages::{AlterClientQuotasRequest, DescribeClientQuotasRequest};

use super::driver::{at_controller, checked, never};
use super::wire::text;
use super::{Admin, PerItem};
use crate::cluster::Target;
use crate::error::ClientError;

/// Whom a quota holds for: names by type, such as `user`, `client-id` and `ip`. Nothing in place of
/// a name stands for all that have no quota of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientQuotaEntity(BTreeMap<String, Option<String>>);

impl ClientQuotaEntity {
    /// The type of users.
    pub const USER: &'static str = "user";
    /// The type of clients.
    pub const CLIENT_ID: &'static str = "client-id";
    /// The type of addresses.
    pub const IP: &'static str = "ip";

    /// Of one type.
    pub fn new(entity_type: impl Into<String>, name: Option<impl Into<String>>) -> Self {
        Self::default().and(entity_type, name)
    }

    /// And of another type: a user's client.
    #[must_use]
    pub fn and(mut self, entity_type: impl Into<String>, name: Option<impl Into<String>>) -> Self {
        self.0.insert(entity_type.into(), name.map(Into::into));
        self
    }

    /// The names by type.
    #[must_use]
    pub fn names(&self) -> &BTreeMap<String, Option<String>> {
        &self.0
    }
}

impl fmt::Display for ClientQuotaEntity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (entity_type, name)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            match name {
                Some(name) => write!(f, "{comma}{entity_type} {name}")?,
                None => write!(f, "{comma}default {entity_type}")?,
            }
        }
        Ok(())
    }
}

/// Which names of a type are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientQuotaMatch {
    /// This one.
    Exact(String),
    /// All that have no quota of their own.
    Default,
    /// Any, the default too.
    Any,
}

/// Whose quotas are meant: all with an empty filter that is not strict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientQuotaFilter {
    /// Which names, by type.
    pub components: BTreeMap<String, ClientQuotaMatch>,
    /// Whether entities of more types than these are left out.
    pub strict: bool,
}

impl ClientQuotaFilter {
    fn to_wire(&self) -> DescribeClientQuotasRequest {
        let components = self.components.iter().map(|(entity_type, wanted)| {
            let (match_type, name) = match wanted {
                ClientQuotaMatch::Exact(name) => (0, Some(text(name))),
                ClientQuotaMatch::Default => (1, None),
                ClientQuotaMatch::Any => (2, None),
            };
            ComponentData::default()
                .with_entity_type(text(entity_type))
                .with_match_type(match_type)
                .with_match(name)
        });
        DescribeClientQuotasRequest::default()
            .with_components(components.collect())
            .with_strict(self.strict)
    }
}

/// Quotas by their names, such as `producer_byte_rate`; to change them, nothing removes one.
pub type ClientQuotaOps = BTreeMap<String, Option<f64>>;

impl Admin {
    /// The quotas of those that a filter lets through, by entity and by the quota's name.
    ///
    /// # Errors
    /// No broker answers in time, or it refuses.
    pub async fn describe_client_quotas(
        &self,
        filter: &ClientQuotaFilter,
    ) -> Result<BTreeMap<ClientQuotaEntity, BTreeMap<String, f64>>, ClientError> {
        let call = self.begin("describing client quotas", never);
        let build = |_| Ok(filter.to_wire());
        self.drive_one(call, Target::Any, build, |answer| {
            let message = answer.error_message.as_deref();
            checked(answer.error_code, message, || call.what.to_owned())?;
            let entries = answer.entries.into_iter().flatten().map(|entry| {
                let names = entry.entity.into_iter().map(|it| {
                    let name = it.entity_name.map(|name| name.to_string());
                    (it.entity_type.to_string(), name)
                });
                let values = entry.values.into_iter();
                let values = values.map(|it| (it.key.to_string(), it.value));
                (ClientQuotaEntity(names.collect()), values.collect())
            });
            Ok(entries.collect())
        })
        .await
    }

    /// Changes quotas; with `validate_only` it only says whether that would work.
    pub async fn alter_client_quotas(
        &self,
        changes: &BTreeMap<ClientQuotaEntity, ClientQuotaOps>,
        validate_only: bool,
    ) -> PerItem<ClientQuotaEntity, ()> {
        let call = self.begin("altering client quotas", at_controller);
        let entities = changes.keys().cloned();
        self.drive(call, entities, async |open: Vec<ClientQuotaEntity>| {
            let build = |_| {
                let entries = open.iter().map(|entity| to_wire(entity, changes));
                Ok(AlterClientQuotasRequest::default()
                    .with_entries(entries.collect())
                    .with_validate_only(validate_only))
            };
            self.ask(call, Target::Controller, &open, build, |answer| {
                let results = answer.entries.into_iter().map(|entry| {
                    let names = entry.entity.into_iter().map(|it| {
                        let name = it.entity_name.map(|name| name.to_string());
                        (it.entity_type.to_string(), name)
                    });
                    let entity = ClientQuotaEntity(names.collect());
                    let message = entry.error_message.as_deref();
                    let result = checked(entry.error_code, message, || entity.to_string());
                    (entity, result)
                });
                Ok(results.collect())
            })
            .await
        })
        .await
    }
}

fn to_wire(
    entity: &ClientQuotaEntity,
    changes: &BTreeMap<ClientQuotaEntity, ClientQuotaOps>,
) -> alter::EntryData {
    let names = entity.0.iter().map(|(entity_type, name)| {
        alter::EntityData::default()
            .with_entity_type(text(entity_type))
            .with_entity_name(name.as_deref().map(text))
    });
    let ops = changes.get(entity).into_iter().flatten();
    let ops = ops.map(|(key, value)| {
        OpData::default()
            .with_key(text(key))
            .with_value(value.unwrap_or_default())
            .with_remove(value.is_none())
    });
    alter::EntryData::default()
        .with_entity(names.collect())
        .with_ops(ops.collect())
}
