//! The checks of CONTRIBUTING.md that neither rustfmt, clippy nor the compiler makes.
//!
//! Each submodule looks at one kind of thing and returns what it found; nothing is repaired. To
//! allow an exception, change the rule's table, with a reason beside it.

mod changelog;
mod code;
mod crates;
mod layering;
mod text;
mod tree;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;

use tree::Tree;

/// One breach of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Path from the root.
    path: String,
    /// From 1; 0 when it is the file as a whole.
    line: usize,
    message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// Checks the tree and prints what is wrong. Returns whether nothing is.
pub(crate) fn run(root: &Path) -> anyhow::Result<bool> {
    let mut findings = check(&Tree::read(root)?);
    findings.extend(changelog::check(root)?);
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    Ok(findings.is_empty())
}

fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = text::check(tree);
    findings.extend(layering::check(tree));
    findings.extend(crates::check(tree));
    findings
}
