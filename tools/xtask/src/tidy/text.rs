//! Rules about files as text: size, module documentation, columns, characters, unfinished work.

use super::Finding;
use super::tree::{File, Tree};

const LINES_MAX: usize = 800;
const MOD_LINES_MAX: usize = 120;
const COLUMNS_MAX: usize = 100;
const FILE_BYTES_MAX: u64 = 200 * 1024;

/// Files that may be longer than [`LINES_MAX`], with their length. Lengths only go down, and no
/// file is added.
const RATCHET: [(&str, usize); 0] = [];

/// Words for unfinished work, in two pieces so that this file has none.
const UNFINISHED: [&str; 3] = [
    concat!("FIX", "ME"),
    concat!("TO", "DO"),
    concat!("XX", "X"),
];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> = tree.files.iter().filter_map(size).collect();
    for file in tree.rust_files() {
        findings.extend(documentation(file));
        findings.extend(length(file, &RATCHET));
        findings.extend(lines(file));
    }
    findings
}

fn finding(file: &File, line: usize, message: String) -> Finding {
    Finding {
        path: file.path.clone(),
        line,
        message,
    }
}

fn size(file: &File) -> Option<Finding> {
    let kib = file.size_bytes.div_ceil(1024);
    let is_too_large = FILE_BYTES_MAX < file.size_bytes;
    is_too_large.then(|| finding(file, 0, format!("file of {kib} KiB exceeds 200 KiB")))
}

fn documentation(file: &File) -> Option<Finding> {
    let message = "begins without //! that says what the file is and who calls it";
    (!file.text.starts_with("//!")).then(|| finding(file, 1, message.to_owned()))
}

/// A file's length against the rule, or against its own entry in the ratchet.
pub(super) fn length(file: &File, ratchet: &[(&str, usize)]) -> Option<Finding> {
    if file.is_test() {
        return None;
    }
    let lines = file.text.lines().count();
    let is_mod = file.path.ends_with("/mod.rs");
    let lines_max = if is_mod { MOD_LINES_MAX } else { LINES_MAX };
    let entry = ratchet.iter().find(|(path, _)| *path == file.path);
    let message = match entry {
        None if lines_max < lines => format!("{lines} lines exceed {lines_max}"),
        Some((_, allowed)) if allowed < &lines => format!("{lines} lines, was {allowed}: split it"),
        Some((_, allowed)) if lines < *allowed => {
            format!("{lines} lines, was {allowed}: lower or remove its entry in the ratchet")
        }
        _ => return None,
    };
    Some(finding(file, 0, message))
}

fn lines(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in (1..).zip(file.text.lines()) {
        let columns = text.chars().count();
        if COLUMNS_MAX < columns && !is_table_row(text) {
            findings.push(finding(
                file,
                line,
                format!("{columns} columns exceed {COLUMNS_MAX}"),
            ));
        }
        if let Some(c) = text.chars().find(|c| !c.is_ascii()) {
            findings.push(finding(file, line, format!("character {c:?} is not ASCII")));
        }
        if let Some(word) = super::code::words(text).find(|word| UNFINISHED.contains(word)) {
            findings.push(finding(
                file,
                line,
                format!("{word}: finish it or open an issue"),
            ));
        }
    }
    findings
}

/// A row of a table in a doc comment, which cannot be wrapped.
fn is_table_row(text: &str) -> bool {
    let comment = text.trim_start();
    comment.starts_with("//! |") || comment.starts_with("/// |")
}
