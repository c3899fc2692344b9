//! `kafka-acls`: who may do what (Kafka's `AclCommand`).

mod arguments;
mod entries;

use std::collections::BTreeMap;
use std::io::BufRead;

use clap::Command;
use ringbrook_client::Admin;
use ringbrook_client::admin::{AccessControlEntry, AclBinding, AclBindingFilter, ResourcePattern};
use serde_json::json;

use self::entries::Entries;
use crate::frame::{Context, Failure, Options, Tool, run_async};

/// `kafka-acls`.
pub const TOOL: Tool = Tool {
    name: "acls",
    about: "This tool helps to manage acls on kafka.",
    examples: &[
        (
            "A user may read a topic in a group",
            "--bootstrap-server localhost:9092 --add --allow-principal User:alice --consumer \
             --topic orders --group shop",
        ),
        (
            "A user may write to all topics whose names begin with a word",
            "--bootstrap-server localhost:9092 --add --allow-principal User:bob --operation Write \
             --topic shop- --resource-pattern-type prefixed",
        ),
        (
            "All that is said about a topic",
            "--bootstrap-server localhost:9092 --list --topic orders --resource-pattern-type match",
        ),
    ],
    options,
    run,
    has_json: true,
};

fn options(command: Command) -> Command {
    arguments::options(command)
}

fn run(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    arguments::check(options)?;
    let done = run_async(async {
        let entries = Entries::of(options);
        if options.has("list") {
            let admin = context.admin(options)?;
            return list(&admin, options, context).await;
        }
        let entries = entries?;
        let admin = context.admin(options)?;
        match options.has("add") {
            true => add(&admin, entries, context).await,
            false => remove(&admin, entries, options.has("force"), context).await,
        }
    });
    match done {
        Err(failure @ (Failure::Message(_) | Failure::Client(_))) => {
            // Kafka's tool writes its errors to standard output.
            let text = match failure {
                Failure::Client(_) => failure.exception(),
                failure => failure.to_string(),
            };
            context.line(format_args!("Error while executing ACL command: {text}"))?;
            Err(Failure::Exit(1))
        }
        done => done,
    }
}

async fn add(admin: &Admin, entries: Entries, context: &mut Context) -> Result<(), Failure> {
    for (pattern, mut entries) in entries.patterns()? {
        let known = AclBindingFilter {
            resource_type: pattern.resource_type,
            name: Some(pattern.name.clone()),
            pattern_type: pattern.pattern_type,
            ..AclBindingFilter::default()
        };
        for acl in admin.describe_acls(&known).await? {
            if entries.remove(&acl.entry) && !context.is_json() {
                context.line(format_args!(
                    "Acl (pattern={}, entry={}) already exists.",
                    pattern_text(&pattern),
                    entry_line(&acl.entry).trim_start()
                ))?;
            }
        }
        if entries.is_empty() {
            continue;
        }
        let acls = entries.iter().cloned();
        let acls: Vec<_> = acls
            .map(|it| AclBinding::new(pattern.clone(), it))
            .collect();
        if !context.is_json() {
            let entries: Vec<_> = entries.iter().map(entry_line).collect();
            context.line(format_args!(
                "Adding ACLs for resource `{}`: \n {}\n",
                pattern_text(&pattern),
                entries.join("\n")
            ))?;
        }
        admin.create_acls(acls.clone()).await.all()?;
        if context.is_json() {
            context.json(&acls.iter().map(to_json).collect::<Vec<_>>())?;
        }
    }
    Ok(())
}

async fn remove(
    admin: &Admin,
    entries: Entries,
    is_forced: bool,
    context: &mut Context,
) -> Result<(), Failure> {
    for (filter, entries) in entries.by_filter {
        let which = filter_text(&filter);
        let question = if entries.is_empty() {
            format!("Are you sure you want to delete all ACLs for resource filter `{which}`? (y/n)")
        } else {
            let entries: Vec<_> = entries.iter().map(entry_line).collect();
            format!(
                "Are you sure you want to remove ACLs: \n {} \n from resource filter `{which}`? \
                 (y/n)",
                entries.join("\n")
            )
        };
        if !is_forced && !confirms(&question, context)? {
            continue;
        }
        let filters = match entries.is_empty() {
            true => vec![filter],
            false => entries.iter().map(|it| narrowed(&filter, it)).collect(),
        };
        let removed = admin.delete_acls(filters).await.all()?;
        let mut documents = Vec::new();
        for acl in removed.into_values().flatten() {
            documents.push(to_json(&acl?));
        }
        if context.is_json() {
            context.json(&documents)?;
        }
    }
    Ok(())
}

/// Just one entry of what a filter lets through.
fn narrowed(filter: &AclBindingFilter, entry: &AccessControlEntry) -> AclBindingFilter {
    AclBindingFilter {
        principal: Some(entry.principal.clone()),
        host: Some(entry.host.clone()),
        operation: entry.operation,
        permission_type: entry.permission_type,
        ..filter.clone()
    }
}

fn confirms(question: &str, context: &mut Context) -> Result<bool, Failure> {
    context.line(question)?;
    context.flush()?;
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::Message(format!("cannot read the answer: {error}")))?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}

async fn list(admin: &Admin, options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let principals = entries::principals(options, "principal")?;
    let mut filters = entries::filters(options)?;
    if filters.is_empty() {
        filters.push(AclBindingFilter::default());
    }
    let mut by_pattern = BTreeMap::<ResourcePattern, Vec<AccessControlEntry>>::new();
    for filter in filters {
        for acl in admin.describe_acls(&filter).await? {
            let entries = by_pattern.entry(acl.pattern).or_default();
            if !entries.contains(&acl.entry) {
                entries.push(acl.entry);
            }
        }
    }
    by_pattern.values_mut().for_each(|entries| entries.sort());
    if context.is_json() {
        let all = by_pattern.into_iter().flat_map(|(pattern, entries)| {
            let entries = entries.into_iter();
            entries.map(move |it| AclBinding::new(pattern.clone(), it))
        });
        let all =
            all.filter(|acl| principals.is_empty() || principals.contains(&acl.entry.principal));
        return context.json(&all.map(|acl| to_json(&acl)).collect::<Vec<_>>());
    }
    if principals.is_empty() {
        return tell(&by_pattern, |_| true, context);
    }
    for principal in principals {
        context.line(format_args!("ACLs for principal `{principal}`"))?;
        tell(&by_pattern, |it| it.principal == principal, context)?;
    }
    Ok(())
}

fn tell(
    by_pattern: &BTreeMap<ResourcePattern, Vec<AccessControlEntry>>,
    is_meant: impl Fn(&AccessControlEntry) -> bool,
    context: &mut Context,
) -> Result<(), Failure> {
    for (pattern, entries) in by_pattern {
        let entries = entries.iter().filter(|it| is_meant(it));
        let entries: Vec<_> = entries.map(entry_line).collect();
        if !entries.is_empty() {
            context.line(format_args!(
                "Current ACLs for resource `{}`:\n{}\n",
                pattern_text(pattern),
                entries.join("\n")
            ))?;
        }
    }
    Ok(())
}

fn pattern_text(pattern: &ResourcePattern) -> String {
    format!(
        "ResourcePattern(resourceType={}, name={}, patternType={})",
        pattern.resource_type, pattern.name, pattern.pattern_type
    )
}

fn filter_text(filter: &AclBindingFilter) -> String {
    format!(
        "ResourcePattern(resourceType={}, name={}, patternType={})",
        filter.resource_type,
        filter.name.as_deref().unwrap_or("<any>"),
        filter.pattern_type
    )
}

fn entry_line(entry: &AccessControlEntry) -> String {
    format!(
        "\t(principal={}, host={}, operation={}, permissionType={})",
        entry.principal, entry.host, entry.operation, entry.permission_type
    )
}

fn to_json(acl: &AclBinding) -> serde_json::Value {
    json!({
        "resource_type": acl.pattern.resource_type.name(),
        "name": acl.pattern.name,
        "pattern_type": acl.pattern.pattern_type.name(),
        "principal": acl.entry.principal,
        "host": acl.entry.host,
        "operation": acl.entry.operation.name(),
        "permission_type": acl.entry.permission_type.name(),
    })
}
