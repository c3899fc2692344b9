//! Which part of the source may name what: io_uring, unsafe, and the layers inside the broker.

use super::Finding;
use super::code::{code_only, words};
use super::tree::{File, Tree};

/// Words that only the directories of [`HOMES`] may use, and the rule that says so.
const CONFINED: [(&[&str], &str); 2] = [
    (
        &["tokio_uring", "io_uring", "io_uring_06"],
        "io_uring is named only in engine/src/io, broker/src/net and bench",
    ),
    (
        &["unsafe"],
        "unsafe is confined to engine/src/io, broker/src/net and bench",
    ),
];

/// Where the process meets the kernel.
const HOMES: [&str; 5] = [
    "engine/src/io/",
    "engine/src/io.rs",
    "broker/src/net/",
    "broker/src/net.rs",
    "bench/",
];

/// The layers inside a crate: which modules must not be named where.
struct Layers {
    /// The directory of its sources, with the last slash.
    root: &'static str,
    /// Modules that stand above all layers and put them together.
    top: &'static [&'static str],
    /// A module, and what it must not name.
    forbidden: &'static [(&'static str, &'static [&'static str])],
    /// What every other module must not name.
    upper: &'static [&'static str],
    /// The rule, as a finding states it.
    rule: &'static str,
}

const LAYERS: [Layers; 2] = [
    Layers {
        root: "broker/src/",
        top: &["lib", "main", "server", "net"],
        forbidden: &[
            ("api", &["net"]),
            ("group", &["net", "api", "replica", "txn"]),
            ("txn", &["net", "api", "replica", "group"]),
            (
                "coordinator",
                &["net", "api", "replica", "group", "txn", "controller"],
            ),
        ],
        upper: &["net", "api"],
        rule: "net -> api -> {replica, group, txn, controller} -> coordinator",
    },
    Layers {
        root: "client/src/",
        top: &["lib", "tests"],
        forbidden: &[
            ("producer", &["consumer", "admin"]),
            ("consumer", &["producer", "admin"]),
            ("admin", &["producer", "consumer"]),
            (
                "net",
                &["producer", "consumer", "admin", "cluster", "metadata"],
            ),
        ],
        upper: &["producer", "consumer", "admin"],
        rule: "{producer, consumer, admin} -> cluster -> {metadata, net}",
    },
];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust_files() {
        let code = code_only(&file.text);
        findings.extend(confined(file, &code));
        findings.extend(LAYERS.iter().flat_map(|layers| layers.check(file, &code)));
    }
    findings
}

fn confined(file: &File, code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if HOMES.iter().any(|home| file.path.starts_with(home)) {
        return findings;
    }
    for (line, text) in (1..).zip(code.lines()) {
        for (confined, message) in CONFINED {
            if words(text).any(|word| confined.contains(&word)) {
                let path = file.path.clone();
                findings.push(Finding {
                    path,
                    line,
                    message: message.to_owned(),
                });
            }
        }
    }
    findings
}

impl Layers {
    fn check(&self, file: &File, code: &str) -> Vec<Finding> {
        let Some(inner) = file.path.strip_prefix(self.root) else {
            return Vec::new();
        };
        let layer = inner.split(['/', '.']).next().unwrap_or_default();
        if self.top.contains(&layer) {
            return Vec::new();
        }
        let own = self.forbidden.iter().find(|(module, _)| *module == layer);
        let forbidden = own.map_or(self.upper, |(_, forbidden)| forbidden);
        let named = crate_modules(code).into_iter();
        named
            .filter(|(_, module)| forbidden.contains(module))
            .map(|(line, module)| Finding {
                path: file.path.clone(),
                line,
                message: format!("{layer} must not use {module}: {}", self.rule),
            })
            .collect()
    }
}

/// The modules named right after `crate::`, also in a group, with their lines.
pub(super) fn crate_modules(code: &str) -> Vec<(usize, &str)> {
    let mut modules = Vec::new();
    for (at, prefix) in code.match_indices("crate::") {
        let line = code
            .get(..at)
            .map_or(0, |before| before.matches('\n').count())
            + 1;
        let after = code.get(at + prefix.len()..).unwrap_or_default();
        match after.strip_prefix('{') {
            None => modules.extend(words(after).next().map(|module| (line, module))),
            Some(group) => {
                modules.extend(group_heads(group).into_iter().map(|module| (line, module)));
            }
        }
    }
    modules
}

/// The first word of each member of a `use` group, whose opening brace has been taken off.
fn group_heads(group: &str) -> Vec<&str> {
    let mut heads = Vec::new();
    let (mut depth, mut start) = (0usize, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if 0 < depth => depth -= 1,
            ',' | '}' if depth == 0 => {
                heads.extend(group.get(start..at).and_then(|member| words(member).next()));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    heads
}
