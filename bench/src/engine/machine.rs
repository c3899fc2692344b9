//! Where a run took place: what a reader of the figures has to know.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::report;

/// Commit, command line, filesystem and the machine.
pub(crate) fn describe(dir: &Path) -> Value {
    let mut machine = report::environment();
    let read = |path: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.trim().to_owned()
    };
    machine["commit"] = json!(commit());
    machine["command"] = json!(std::env::args().skip(1).collect::<Vec<_>>().join(" "));
    machine["filesystem"] = json!(filesystem(dir));
    machine["dirty_ratio"] = json!(read("/proc/sys/vm/dirty_ratio"));
    machine["dirty_background_ratio"] = json!(read("/proc/sys/vm/dirty_background_ratio"));
    machine["is_debug_build"] = json!(cfg!(debug_assertions));
    machine
}

/// The commit of the working directory, `None` outside of a repository.
fn commit() -> Option<String> {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=12"])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success()).then(|| text.trim().to_owned())
}

/// Type and options of the mount that holds `dir`.
fn filesystem(dir: &Path) -> Option<String> {
    let dir = std::fs::canonicalize(dir).ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    let fields = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    mounts
        .lines()
        .map(fields)
        .filter(|mount| mount.len() > 3 && dir.starts_with(&mount[1]))
        .max_by_key(|mount| mount[1].len())
        .map(|mount| format!("{} ({})", mount[2], mount[3]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_has_a_filesystem() {
        assert!(filesystem(Path::new("/")).is_some());
        assert_eq!(filesystem(Path::new("/no/such/place")), None);
    }
}
