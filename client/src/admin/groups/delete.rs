//! Deleting groups.

use std::collections::BTreeSet;

use ringbrook_protocol::messages::DeleteGroupsRequest;

use crate::admin::driver::{at_coordinator, checked};
use crate::admin::wire::group_id;
use crate::admin::{Admin, PerItem};
use crate::cluster::{CoordinatorKind, Target};

impl Admin {
    /// Deletes groups of any type with all they have committed. A group with members is refused.
    pub async fn delete_groups(
        &self,
        groups: impl IntoIterator<Item = impl Into<String>>,
    ) -> PerItem<String, ()> {
        let call = self.begin("deleting groups", at_coordinator);
        let groups = groups.into_iter().map(Into::into);
        let groups: BTreeSet<String> = groups.collect();
        let kind = CoordinatorKind::Group;
        self.at_coordinators(call, kind, groups, async |node, groups: Vec<String>| {
            let build = |_| {
                let names = groups.iter().map(|group| group_id(group));
                Ok(DeleteGroupsRequest::default().with_groups_names(names.collect()))
            };
            self.ask(call, Target::Node(node), &groups, build, |answer| {
                let results = answer.results.into_iter().map(|result| {
                    let group = result.group_id.to_string();
                    let result = checked(result.error_code, None, || format!("group {group}"));
                    (group, result)
                });
                Ok(results.collect())
            })
            .await
        })
        .await
    }
}
