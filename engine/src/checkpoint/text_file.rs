//! Kafka's text checkpoint: line 1 the version `0`, line 2 the number of entries, then one entry a
//! line, fields separated by a space. (Kafka `CheckpointFile`.) The callers give the fields
//! meaning.

use std::fmt::{Display, Write};

const VERSION: &str = "0";

/// Parses a whole file; an empty one has no entries. `parse` makes an entry of a line's fields.
///
/// # Errors
/// What is wrong, in one clause.
pub(crate) fn parse_entries<T>(
    content: &[u8],
    parse: impl Fn(&[&str]) -> Option<T>,
) -> Result<Vec<T>, String> {
    let text = std::str::from_utf8(content).map_err(|_| "it is not text".to_owned())?;
    let mut lines = text.lines();
    let Some(version) = lines.next() else {
        return Ok(Vec::new());
    };
    if version.trim() != VERSION {
        return Err(format!("its version is {version:?}, expected {VERSION}"));
    }
    let count: usize = lines
        .next()
        .and_then(|line| line.trim().parse().ok())
        .ok_or("its second line is not a number of entries")?;
    let mut entries = Vec::new();
    for line in lines.by_ref().take(count) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let entry = parse(&fields).ok_or_else(|| format!("line {line:?} is malformed"))?;
        entries.push(entry);
    }
    if entries.len() != count || lines.any(|line| !line.trim().is_empty()) {
        return Err(format!("it does not hold the {count} entries it claims"));
    }
    Ok(entries)
}

/// The two lines before the entries.
pub(crate) fn render_head(entries: usize) -> String {
    format!("{VERSION}\n{entries}\n")
}

/// Renders a whole file from one line an entry.
pub(crate) fn render_entries<T: Display>(lines: impl ExactSizeIterator<Item = T>) -> String {
    let mut text = render_head(lines.len());
    for line in lines {
        writeln!(text, "{line}").expect("writing to a String cannot fail");
    }
    text
}
