//! Tests of [`super`].

use ringbrook_client::admin::GroupState;

use super::*;

fn group(name: &str, group_type: GroupType, protocol_type: &str) -> GroupListing {
    GroupListing {
        group_id: name.to_owned(),
        group_type,
        protocol_type: protocol_type.to_owned(),
        state: GroupState::Stable,
    }
}

fn all() -> Vec<GroupListing> {
    vec![
        group("classic", GroupType::Classic, "consumer"),
        group("connect", GroupType::Classic, "connect"),
        group("simple", GroupType::Classic, ""),
        group("new", GroupType::Consumer, "consumer"),
        group("shared", GroupType::Share, "share"),
        group("flow", GroupType::Streams, "streams"),
    ]
}

fn names(filter: &Filter) -> Vec<String> {
    let groups = all().into_iter().filter(|group| filter.has(group));
    groups.map(|group| group.group_id).collect()
}

#[test]
fn each_filter_has_its_groups() {
    assert_eq!(names(&Filter::default()).len(), 6);
    let consumers = Filter {
        consumer: true,
        ..Filter::default()
    };
    assert_eq!(names(&consumers), ["classic", "simple", "new"]);
    let share = Filter {
        share: true,
        ..Filter::default()
    };
    assert_eq!(names(&share), ["shared"]);
    let streams = Filter {
        streams: true,
        ..Filter::default()
    };
    assert_eq!(names(&streams), ["flow"]);
    let mut of_type = Filter {
        group_type: Some(GroupType::Classic),
        ..Filter::default()
    };
    assert_eq!(names(&of_type), ["classic", "connect", "simple"]);
    of_type.protocol = Some("connect".to_owned());
    assert_eq!(names(&of_type), ["connect"]);
    of_type.group_type = None;
    assert_eq!(names(&of_type), ["connect"]);
}

#[test]
fn columns_are_as_wide_as_the_widest() {
    let groups = [
        group("a-group-with-a-long-name", GroupType::Classic, "consumer"),
        group("b", GroupType::Unknown(String::new()), ""),
    ];
    let blanks = |count: usize| " ".repeat(count);
    assert_eq!(
        table(&groups),
        [
            format!(
                "GROUP{}TYPE{}PROTOCOL{}",
                blanks(20),
                blanks(21),
                blanks(16)
            ),
            format!(
                "a-group-with-a-long-name Classic{}consumer{}",
                blanks(18),
                blanks(17)
            ),
            format!("b{}", blanks(74)),
        ]
    );
}
