//! A change of the disk format or of the served APIs is named in CHANGELOG.md in the same piece of
//! work.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::Finding;

/// Documents whose change users must hear of.
const ANNOUNCED: [&str; 2] = ["FORMAT.md", "APIS.md"];

/// Looks at what differs from where this branch left `main`. Without git or without `main` there is
/// nothing to compare with, and nothing is found.
pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<Finding>> {
    if !root.join(".git").exists() {
        return Ok(Vec::new());
    }
    let Some(base) = git(root, &["merge-base", "HEAD", "main"])? else {
        return Ok(Vec::new());
    };
    let changed = git(root, &["diff", "--name-only", base.trim()])?;
    Ok(unannounced(changed.unwrap_or_default().lines()))
}

/// The announced documents among the changed paths, unless the change log is among them too.
pub(super) fn unannounced<'a>(changed: impl Iterator<Item = &'a str>) -> Vec<Finding> {
    let changed: Vec<&str> = changed.collect();
    if changed.contains(&"CHANGELOG.md") {
        return Vec::new();
    }
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let announced = changed
        .iter()
        .filter(|path| ANNOUNCED.contains(&name(path).as_str()));
    let message = "changed without an entry in CHANGELOG.md";
    let finding = |path: &&str| Finding {
        path: (*path).to_owned(),
        line: 0,
        message: message.to_owned(),
    };
    announced.map(finding).collect()
}

/// A git command's output, or `None` when it fails.
fn git(root: &Path, arguments: &[&str]) -> anyhow::Result<Option<String>> {
    let mut command = Command::new("git");
    let output = command
        .args(arguments)
        .current_dir(root)
        .output()
        .context("cannot start git")?;
    let text = String::from_utf8(output.stdout).context("a path is not UTF-8")?;
    Ok(output.status.success().then_some(text))
}
