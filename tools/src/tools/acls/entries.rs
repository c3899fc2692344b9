//! From options to the lines of access control lists, and to filters of resources.

use std::collections::{BTreeMap, BTreeSet};

use ringbrook_client::admin::{
    AccessControlEntry, AclBindingFilter, AclOperation, AclPermissionType, KafkaPrincipal,
    PatternType, ResourcePattern, ResourceType,
};

use crate::frame::{Failure, Options};

/// Options that name resources, and their kinds.
const RESOURCES: [(&str, ResourceType); 5] = [
    ("topic", ResourceType::Topic),
    ("group", ResourceType::Group),
    ("transactional-id", ResourceType::TransactionalId),
    ("delegation-token", ResourceType::DelegationToken),
    ("user-principal", ResourceType::User),
];

/// Entries by the resources that they are about; none stands for all there are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entries {
    pub(super) by_filter: BTreeMap<AclBindingFilter, BTreeSet<AccessControlEntry>>,
}

impl Entries {
    /// From the options, checked.
    pub(super) fn of(options: &Options<'_>) -> Result<Self, Failure> {
        let pattern_type = pattern_type(options)?;
        let is_filter = matches!(pattern_type, PatternType::Any | PatternType::Match);
        if options.has("add") && is_filter {
            return Err(Failure::Usage(format!(
                "A '--resource-pattern-type' value of '{pattern_type}' is not valid when adding \
                 acls."
            )));
        }
        let filters = filters(options)?;
        if filters.is_empty() {
            return Err(Failure::Usage(
                "You must provide at least one resource: --topic <topic> or --cluster or --group \
                 <group> or --delegation-token <Delegation Token ID>"
                    .to_owned(),
            ));
        }
        let mut entries = Self {
            by_filter: BTreeMap::new(),
        };
        if options.count(&["producer", "consumer"]) == 0 {
            let operations = options.texts("operation").into_iter();
            let operations: Vec<_> = operations.map(operation).collect();
            for filter in &filters {
                entries.add(filter.clone(), of_operations(options, &operations)?);
            }
        }
        if options.has("producer") {
            entries.add_producer(options, &filters)?;
        }
        if options.has("consumer") {
            entries.add_consumer(options, &filters)?;
        }
        entries.check()?;
        if options.has("add") && entries.by_filter.values().any(BTreeSet::is_empty) {
            return Err(Failure::Usage(
                "You must specify one of: --allow-principal, --deny-principal when trying to add \
                 ACLs."
                    .to_owned(),
            ));
        }
        Ok(entries)
    }

    /// By patterns, to be added.
    pub(super) fn patterns(
        self,
    ) -> Result<Vec<(ResourcePattern, BTreeSet<AccessControlEntry>)>, Failure> {
        let by_filter = self.by_filter.into_iter().map(|(filter, entries)| {
            let name = filter.name.ok_or_else(|| {
                Failure::Message("a resource to add ACLs for needs a name".to_owned())
            })?;
            let pattern = ResourcePattern {
                resource_type: filter.resource_type,
                name,
                pattern_type: filter.pattern_type,
            };
            Ok((pattern, entries))
        });
        by_filter.collect()
    }

    fn add(&mut self, filter: AclBindingFilter, entries: BTreeSet<AccessControlEntry>) {
        self.by_filter.entry(filter).or_default().extend(entries);
    }

    fn add_producer(
        &mut self,
        options: &Options<'_>,
        filters: &[AclBindingFilter],
    ) -> Result<(), Failure> {
        use AclOperation::{Create, Describe, IdempotentWrite, Write};
        for filter in filters {
            let operations: &[_] = match filter.resource_type {
                ResourceType::Topic => &[Write, Describe, Create],
                ResourceType::TransactionalId => &[Write, Describe],
                _ => continue,
            };
            self.add(filter.clone(), of_operations(options, operations)?);
        }
        if options.has("idempotent") {
            self.add(cluster(), of_operations(options, &[IdempotentWrite])?);
        }
        Ok(())
    }

    fn add_consumer(
        &mut self,
        options: &Options<'_>,
        filters: &[AclBindingFilter],
    ) -> Result<(), Failure> {
        use AclOperation::{Describe, Read};
        for filter in filters {
            let operations: &[_] = match filter.resource_type {
                ResourceType::Topic => &[Read, Describe],
                ResourceType::Group => &[Read],
                _ => continue,
            };
            self.add(filter.clone(), of_operations(options, operations)?);
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Failure> {
        for (filter, entries) in &self.by_filter {
            let supported = supported(filter.resource_type);
            let is_supported = |operation| supported.contains(&operation);
            if !entries.iter().all(|entry| is_supported(entry.operation)) {
                let names: Vec<_> = supported.iter().map(|it| it.name()).collect();
                return Err(Failure::Usage(format!(
                    "ResourceType {} only supports operations [{}]",
                    filter.resource_type,
                    names.join(", ")
                )));
            }
        }
        Ok(())
    }
}

/// What can be done to resources of a kind (Kafka's `AclEntry`).
fn supported(resource_type: ResourceType) -> &'static [AclOperation] {
    use AclOperation::{
        All, Alter, AlterConfigs, ClusterAction, Create, CreateTokens, Delete, Describe,
        DescribeConfigs, DescribeTokens, IdempotentWrite, Read, TwoPhaseCommit, Write,
    };
    match resource_type {
        ResourceType::Topic => &[
            All,
            Read,
            Write,
            Create,
            Delete,
            Alter,
            Describe,
            DescribeConfigs,
            AlterConfigs,
        ],
        ResourceType::Group => &[All, Read, Delete, Describe, DescribeConfigs, AlterConfigs],
        ResourceType::Cluster => &[
            All,
            Create,
            Alter,
            Describe,
            ClusterAction,
            DescribeConfigs,
            AlterConfigs,
            IdempotentWrite,
        ],
        ResourceType::TransactionalId => &[All, Write, Describe, TwoPhaseCommit],
        ResourceType::DelegationToken => &[All, Describe],
        ResourceType::User => &[All, CreateTokens, DescribeTokens],
        _ => &[All],
    }
}

/// From `ClusterAction`, in any case.
fn operation(text: &str) -> AclOperation {
    let text = text.trim();
    let named = |it: &&AclOperation| it.name().replace('_', "").eq_ignore_ascii_case(text);
    let found = AclOperation::ALL.iter().find(named);
    found.copied().unwrap_or(AclOperation::Unknown(0))
}

fn pattern_type(options: &Options<'_>) -> Result<PatternType, Failure> {
    let text = options.text("resource-pattern-type").unwrap_or("LITERAL");
    text.parse().map_err(|_| {
        Failure::Message(format!(
            "Cannot parse argument '{text}' of option resource-pattern-type"
        ))
    })
}

fn cluster() -> AclBindingFilter {
    let pattern = ResourcePattern::cluster();
    AclBindingFilter {
        resource_type: pattern.resource_type,
        name: Some(pattern.name),
        pattern_type: pattern.pattern_type,
        ..AclBindingFilter::default()
    }
}

/// The resources that options name.
pub(super) fn filters(options: &Options<'_>) -> Result<Vec<AclBindingFilter>, Failure> {
    let pattern_type = pattern_type(options)?;
    let mut filters = Vec::new();
    for (option, resource_type) in RESOURCES {
        let names = options.texts(option).into_iter();
        filters.extend(names.map(|name| AclBindingFilter {
            resource_type,
            name: Some(name.trim().to_owned()),
            pattern_type,
            ..AclBindingFilter::default()
        }));
    }
    let has_cluster = options.has("cluster") || options.has("idempotent");
    if has_cluster && pattern_type == PatternType::Literal {
        filters.push(cluster());
    }
    Ok(filters)
}

/// The principals that an option names.
pub(super) fn principals(options: &Options<'_>, name: &str) -> Result<Vec<String>, Failure> {
    let texts = options.texts(name).into_iter();
    let principals = texts.map(|text| {
        let principal: Result<KafkaPrincipal, _> = text.trim().parse();
        principal.map(|it| it.to_string()).map_err(Failure::Message)
    });
    principals.collect()
}

fn of_operations(
    options: &Options<'_>,
    operations: &[AclOperation],
) -> Result<BTreeSet<AccessControlEntry>, Failure> {
    let mut entries = BTreeSet::new();
    for (principals_option, hosts_option, permission_type) in [
        ("allow-principal", "allow-host", AclPermissionType::Allow),
        ("deny-principal", "deny-host", AclPermissionType::Deny),
    ] {
        let hosts = match options.has(hosts_option) {
            true => options.texts(hosts_option),
            false => vec!["*"],
        };
        for principal in principals(options, principals_option)? {
            for host in &hosts {
                entries.extend(operations.iter().map(|operation| AccessControlEntry {
                    principal: principal.clone(),
                    host: host.trim().to_owned(),
                    operation: *operation,
                    permission_type,
                }));
            }
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::acls::TOOL;

    fn of(line: &str) -> Result<Vec<String>, String> {
        let command = TOOL.command("it").no_binary_name(true);
        let matches = command.try_get_matches_from(line.split(' ')).unwrap();
        let entries = Entries::of(&Options::new(&matches)).map_err(|it| it.to_string())?;
        let all = entries.by_filter.into_iter().flat_map(|(filter, entries)| {
            let kind = filter.resource_type;
            let entries = entries.into_iter();
            entries.map(move |it| format!("{kind} {} {} {}", it.principal, it.operation, it.host))
        });
        Ok(all.collect())
    }

    #[test]
    fn producers_and_consumers_need_these() {
        let all = of("--add --producer --consumer --topic t --group g --allow-principal User:a");
        let expected = [
            "TOPIC User:a READ *",
            "TOPIC User:a WRITE *",
            "TOPIC User:a CREATE *",
            "TOPIC User:a DESCRIBE *",
            "GROUP User:a READ *",
        ];
        assert_eq!(all.unwrap(), expected);
        let line =
            "--add --producer --idempotent --topic t --allow-principal User:a --allow-host h";
        let expected = "CLUSTER User:a IDEMPOTENT_WRITE h".to_owned();
        assert!(of(line).unwrap().contains(&expected));
    }

    #[test]
    fn operations_have_to_fit_the_resource() {
        let all = of("--add --cluster --operation clusterAction --deny-principal User:a");
        assert_eq!(all.unwrap(), ["CLUSTER User:a CLUSTER_ACTION *"]);
        let error = of("--add --group g --operation Write --allow-principal User:a").unwrap_err();
        assert!(
            error.starts_with("ResourceType GROUP only supports"),
            "{error}"
        );
        let error = of("--add --topic t --operation Lend --allow-principal User:a").unwrap_err();
        assert!(
            error.starts_with("ResourceType TOPIC only supports"),
            "{error}"
        );
    }
}
