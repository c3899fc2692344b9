//! Which groups there are, over all brokers: each knows those that it coordinates.

use std::collections::BTreeMap;

use ringbrook_protocol::messages::ListGroupsRequest;
use ringbrook_protocol::messages::list_groups_response::ListedGroup;

use super::{GroupState, GroupType};
use crate::admin::driver::{at_coordinator, checked};
use crate::admin::wire::text;
use crate::admin::{Admin, Listed};
use crate::error::ClientError;

/// Which groups are listed; empty lists leave nothing out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListGroupsOptions {
    /// Only those in one of these states. Needs brokers of Kafka 2.6 or later.
    pub states: Vec<GroupState>,
    /// Only those of one of these types. Needs brokers of Kafka 3.8 or later.
    pub types: Vec<GroupType>,
    /// Only those whose members speak one of these protocols: `consumer`, `connect`, or an empty
    /// text for groups that only commit offsets.
    pub protocol_types: Vec<String>,
}

impl ListGroupsOptions {
    /// Groups of consumers of every kind: what `kafka-consumer-groups --list` shows.
    #[must_use]
    pub fn consumers() -> Self {
        Self {
            states: Vec::new(),
            types: vec![GroupType::Classic, GroupType::Consumer],
            protocol_types: vec!["consumer".to_owned(), String::new()],
        }
    }

    /// Only groups in one of these states.
    #[must_use]
    pub fn in_states(mut self, states: Vec<GroupState>) -> Self {
        self.states = states;
        self
    }

    /// Only groups of one of these types.
    #[must_use]
    pub fn of_types(mut self, types: Vec<GroupType>) -> Self {
        self.types = types;
        self
    }

    fn to_wire(&self, version: i16) -> Result<ListGroupsRequest, ClientError> {
        let unsupported = |what: &str| {
            let text = format!("this broker is too old to list groups by {what}");
            Err(ClientError::Unsupported(text))
        };
        if !self.states.is_empty() && version < 4 {
            return unsupported("state");
        }
        // Old brokers have classic groups only.
        let is_any_or_classic = self.types.is_empty() || self.types.contains(&GroupType::Classic);
        if !is_any_or_classic && version < 5 {
            return unsupported("type");
        }
        let states = self.states.iter().map(|state| text(state.name()));
        let types = self.types.iter().filter(|_| 5 <= version);
        Ok(ListGroupsRequest::default()
            .with_states_filter(states.collect())
            .with_types_filter(types.map(|it| text(it.name())).collect()))
    }

    fn has(&self, group: &GroupListing) -> bool {
        let types = &self.protocol_types;
        types.is_empty() || types.contains(&group.protocol_type)
    }
}

/// A group, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// Its id.
    pub group_id: String,
    /// Its type; `Unknown` from brokers that do not say.
    pub group_type: GroupType,
    /// What its members speak: `consumer`, `connect`; empty when they only commit offsets.
    pub protocol_type: String,
    /// Its state; `Unknown` from brokers that do not say.
    pub state: GroupState,
}

impl GroupListing {
    /// Whether it only commits offsets, without members.
    #[must_use]
    pub fn is_simple_consumer_group(&self) -> bool {
        self.protocol_type.is_empty()
    }
}

impl From<ListedGroup> for GroupListing {
    fn from(group: ListedGroup) -> Self {
        Self {
            group_id: group.group_id.to_string(),
            group_type: GroupType::of_name(&group.group_type),
            protocol_type: group.protocol_type.to_string(),
            state: GroupState::of_name(&group.group_state),
        }
    }
}

impl Admin {
    /// Lists groups by id. What some brokers do not answer is missing; see [`Listed`].
    ///
    /// # Errors
    /// No broker says which brokers there are.
    pub async fn list_groups(
        &self,
        options: &ListGroupsOptions,
    ) -> Result<Listed<GroupListing>, ClientError> {
        let call = self.begin("listing groups", at_coordinator);
        let listed = self
            .every_node(
                call,
                |version| options.to_wire(version),
                |_, answer| {
                    checked(answer.error_code, None, || call.what.to_owned())?;
                    let groups = answer.groups.into_iter().map(GroupListing::from);
                    Ok(groups.filter(|group| options.has(group)).collect())
                },
            )
            .await?;
        // While a coordinator moves, two brokers may list the same group.
        let groups = listed.items.into_iter();
        let groups: BTreeMap<_, _> = groups
            .map(|group: GroupListing| (group.group_id.clone(), group))
            .collect();
        Ok(Listed {
            items: groups.into_values().collect(),
            errors: listed.errors,
        })
    }
}
