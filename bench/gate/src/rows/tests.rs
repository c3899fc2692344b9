//! Tests of the rows: all of them run, under names of their own.

use super::*;

#[test]
fn all_rows_run() {
    let dir = tempfile::tempdir().unwrap();
    for row in all() {
        row.run(dir.path());
    }
}

#[test]
fn names_are_unique() {
    let mut names: Vec<_> = all().into_iter().map(|row| row.name).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}
