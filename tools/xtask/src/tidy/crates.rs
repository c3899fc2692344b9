//! Which crate of the workspace may depend on which.

use super::Finding;
use super::tree::{File, Tree};

/// Each crate and the crates of ours it may depend on, also for its tests.
const ALLOWED: [(&str, &[&str]); 10] = [
    ("ringbrook-record", &[]),
    ("ringbrook-protocol", &[]),
    ("ringbrook-engine", &["ringbrook-record"]),
    (
        "ringbrook-broker",
        &["ringbrook-engine", "ringbrook-protocol", "ringbrook-record"],
    ),
    (
        "ringbrook-client",
        &["ringbrook-protocol", "ringbrook-record"],
    ),
    (
        "ringbrook-tools",
        &[
            "ringbrook-client",
            "ringbrook-engine",
            "ringbrook-protocol",
            "ringbrook-record",
        ],
    ),
    (
        "ringbrook-gate",
        &[
            "ringbrook-client",
            "ringbrook-engine",
            "ringbrook-protocol",
            "ringbrook-record",
        ],
    ),
    (
        "ringbrook-bench",
        &[
            "ringbrook-client",
            "ringbrook-engine",
            "ringbrook-gate",
            "ringbrook-protocol",
            "ringbrook-record",
        ],
    ),
    (
        "ringbrook-tests",
        &[
            "ringbrook-broker",
            "ringbrook-client",
            "ringbrook-engine",
            "ringbrook-protocol",
            "ringbrook-record",
        ],
    ),
    ("xtask", &[]),
];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    tree.files
        .iter()
        .filter(|file| file.is_manifest())
        .flat_map(manifest)
        .collect()
}

fn manifest(file: &File) -> Vec<Finding> {
    let finding = |line, message| Finding {
        path: file.path.clone(),
        line,
        message,
    };
    let Some(name) = package_name(&file.text) else {
        return Vec::new();
    };
    let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
        let message = format!("crate {name} has no place in the dependency rules of tidy");
        return vec![finding(0, message)];
    };
    let dependencies = (1..).zip(file.text.lines()).filter_map(|(line, text)| {
        let dependency = own_dependency(text)?;
        (!allowed.contains(&dependency)).then_some((line, dependency))
    });
    let message = |dependency| format!("{name} must not depend on {dependency}");
    dependencies
        .map(|(line, dependency)| finding(line, message(dependency)))
        .collect()
}

/// The package's name: the first `name` key, as cargo writes it. A virtual manifest has none.
fn package_name(manifest: &str) -> Option<&str> {
    let package = manifest.split_once("[package]")?.1;
    let line = package
        .lines()
        .find(|line| line.trim_start().starts_with("name"))?;
    line.split('"').nth(1)
}

/// The crate of ours that a manifest line depends on: a key, or the last part of a table's name.
fn own_dependency(line: &str) -> Option<&str> {
    let line = line.trim();
    let key = match line.strip_prefix('[') {
        Some(table) => table.trim_end_matches(']').split_once("dependencies.")?.1,
        None => line.split(['.', '=', ' ']).next()?,
    };
    key.starts_with("ringbrook-").then_some(key)
}
