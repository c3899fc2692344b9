//! Tests of reading what callgrind writes.

use super::*;

const ROW: &str = "\
# callgrind format
version: 1
creator: callgrind-3.19.0
pid: 13450
cmd:  target/release/ringbrook-gate rows /tmp/x
part: 12


desc: I1 cache: 
desc: Timerange: Basic block 0 - 77081
desc: Trigger: --dump-after=ringbrook_gate::rows::gate_measured

positions: line
events: Ir
summary: 4711


ob=(1) /lib/ld.so
fl=(1) rows.rs
fn=(1) gate_measured
3 4711

totals: 4711
";

#[test]
fn a_row_has_a_number_and_a_count() {
    assert_eq!(parse(ROW).unwrap(), Some((12, 4711)));
}

#[test]
fn what_is_written_at_the_end_of_the_process_is_no_row() {
    let end = ROW.replace(
        "--dump-after=ringbrook_gate::rows::gate_measured",
        "Program termination",
    );
    assert_eq!(parse(&end).unwrap(), None);
}

#[test]
fn a_file_without_its_numbers_is_an_error() {
    for missing in ["summary: 4711", "part: 12", "events: Ir"] {
        assert!(parse(&ROW.replace(missing, "")).is_err(), "{missing}");
    }
    assert!(parse(&ROW.replace("summary: 4711", "summary: many")).is_err());
    assert!(parse(&ROW.replace("events: Ir", "events: Ir Dr")).is_err());
}

#[test]
fn parts_are_ordered_by_their_numbers() {
    let dir = tempfile::tempdir().unwrap();
    for (file, part, count) in [
        ("counts.10", 10, 30),
        ("counts.9", 9, 20),
        ("counts", 1, 10),
    ] {
        let text = ROW.replace("part: 12", &format!("part: {part}"));
        let text = text.replace("summary: 4711", &format!("summary: {count}"));
        std::fs::write(dir.path().join(file), text).unwrap();
    }
    assert_eq!(counts_below(dir.path()).unwrap(), [10, 20, 30]);
}

#[test]
fn rows_and_counts_are_paired_in_order() {
    let told = "fact rustc: rustc 1.95.0: x\nrow a/b, c\nrow d\n";
    let run = pair(told, &[5, 7]).unwrap();
    assert_eq!(run.rows, [("a/b, c".to_owned(), 5), ("d".to_owned(), 7)]);
    let rustc = ("rustc".to_owned(), "rustc 1.95.0: x".to_owned());
    assert_eq!(run.facts, [rustc]);
}

#[test]
fn a_row_that_was_not_counted_is_an_error() {
    assert!(pair("row a\nrow b\n", &[5]).is_err());
    assert!(pair("row a\n", &[5, 7]).is_err());
    assert!(pair("", &[]).is_err());
}
