//! `--list`.

use ringbrook_client::Admin;
use ringbrook_client::admin::{GroupState, GroupType, ListGroupsOptions};
use serde_json::json;

use super::tables;
use crate::frame::{Context, Failure, Options};

/// The states that consumer groups can be in, in the order of Kafka's message.
const STATES: [GroupState; 7] = [
    GroupState::PreparingRebalance,
    GroupState::CompletingRebalance,
    GroupState::Stable,
    GroupState::Dead,
    GroupState::Empty,
    GroupState::Assigning,
    GroupState::Reconciling,
];

/// The ids of all consumer groups.
pub(super) async fn names(admin: &Admin) -> Result<Vec<String>, Failure> {
    let listed = admin.list_groups(&ListGroupsOptions::consumers()).await?;
    let groups = listed.all()?.into_iter();
    Ok(groups.map(|group| group.group_id).collect())
}

pub(super) async fn run(
    admin: &Admin,
    options: &Options<'_>,
    context: &mut Context,
) -> Result<(), Failure> {
    let shows = |option| options.has(option) || context.is_json();
    let (shows_type, shows_state) = (shows("type"), shows("state"));
    let mut wanted = ListGroupsOptions::consumers();
    if let Some(types) = options.text("type").filter(|types| !types.is_empty()) {
        wanted = wanted.of_types(types_of(types)?);
    }
    if let Some(states) = options.text("state").filter(|states| !states.is_empty()) {
        wanted = wanted.in_states(states_of(states)?);
    }
    let groups = admin.list_groups(&wanted).await?.all()?;
    if context.is_json() {
        let groups = groups.iter().map(|group| {
            json!({
                "group": group.group_id,
                "type": group.group_type.name(),
                "state": group.state.name(),
            })
        });
        return context.json(&groups.collect::<Vec<_>>());
    }
    if !shows_type && !shows_state {
        return groups
            .iter()
            .try_for_each(|group| context.line(&group.group_id));
    }
    let column = |shows: bool, text: &str| shows.then(|| text.to_owned());
    let mut rows = vec![(
        "GROUP".to_owned(),
        column(shows_type, "TYPE"),
        column(shows_state, "STATE"),
    )];
    rows.extend(groups.into_iter().map(|group| {
        (
            group.group_id,
            column(shows_type, group.group_type.name()),
            column(shows_state, group.state.name()),
        )
    }));
    Ok(context.out().write_all(tables::listing(&rows).as_bytes())?)
}

fn states_of(text: &str) -> Result<Vec<GroupState>, Failure> {
    let states: Vec<_> = text
        .split(',')
        .map(|name| GroupState::of_name(name.trim()))
        .collect();
    if states.iter().all(|state| STATES.contains(state)) {
        return Ok(states);
    }
    let valid: Vec<_> = STATES.iter().map(GroupState::name).collect();
    Err(Failure::Usage(format!(
        "Invalid state list '{text}'. Valid states are: {}",
        valid.join(", ")
    )))
}

fn types_of(text: &str) -> Result<Vec<GroupType>, Failure> {
    let valid = [GroupType::Classic, GroupType::Consumer];
    let types: Vec<_> = text
        .split(',')
        .map(|name| GroupType::of_name(name.trim()))
        .collect();
    if types.iter().all(|it| valid.contains(it)) {
        return Ok(types);
    }
    Err(Failure::Usage(format!(
        "Invalid types list '{text}'. Valid types are: Classic, Consumer"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_types_are_read_in_any_case() {
        assert_eq!(
            states_of("stable, Empty").unwrap(),
            [GroupState::Stable, GroupState::Empty]
        );
        assert_eq!(
            types_of("CLASSIC,consumer").unwrap(),
            [GroupType::Classic, GroupType::Consumer]
        );
        let error = types_of("share").unwrap_err().to_string();
        assert_eq!(
            error,
            "Invalid types list 'share'. Valid types are: Classic, Consumer"
        );
        let error = states_of("asleep").unwrap_err().to_string();
        assert!(
            error.starts_with("Invalid state list 'asleep'. Valid states are: "),
            "{error}"
        );
    }
}
