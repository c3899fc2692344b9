//! The benchmark still works: every null server serves its load, and results are printed.
//!
//! The broker's side is shown by the system tests, which have a broker.

use std::process::Command;

#[test]
fn every_load_runs_against_its_null_server() {
    let dir = tempfile::tempdir().unwrap();
    let results = dir.path().join("results.jsonl");
    let output = Command::new(env!("CARGO_BIN_EXE_ringbrook-bench"))
        .args(["run", "--quick", "--calibrate", "--rounds", "2"])
        // Any machine has a first core.
        .args(["--server-cpu", "0", "--client-cpu", "0", "--dir"])
        .arg(dir.path())
        .arg("--json")
        .arg(&results)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    let results = std::fs::read_to_string(&results).unwrap();
    for name in [
        "produce-64k",
        "produce-64k-durable",
        "produce-one-record",
        "produce-one-record-pipelined",
        "produce-one-record-appended",
        "produce-one-record-pipelined-appended",
        "fetch-1m",
        "fetch-64k",
        "fetch-1m-copied",
        "fetch-64k-copied",
    ] {
        let lines = text
            .lines()
            .filter(|line| line.split(' ').next() == Some(name));
        assert_eq!(lines.count(), 3, "{name}: {text}");
        assert!(
            results.contains(&format!("\"{name}\"")),
            "{name}: {results}"
        );
    }
}
