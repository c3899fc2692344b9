//! The engine's benchmark still works: cells of every kind run small and tell their ratios.

use std::process::{Command, Stdio};

fn bench() -> Command {
    Command::new(env!("CARGO_BIN_EXE_ringbrook-bench"))
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let mut child = bench()
        .args(["engine", "--list"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(128 + 13), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_cell_of_every_kind_runs() {
    let dir = tempfile::tempdir().unwrap();
    let results = dir.path().join("results.jsonl");
    let cells = [
        ("memory/16k", "record walk"),
        ("append/page-cache/200/1p/1c", "engine / pwritev"),
        ("append/page-cache/64k/10p/64c", "aim <= 1.3"),
        ("append/durable/16k/1p/64c", "aim >= 0.8"),
        ("append/durable/1k/10p/1c", "appends/s, engine / DSYNC"),
        ("tail-read/64k", "CPU, engine / sendfile"),
        ("cached-read/1k", "CPU, engine / pread"),
        ("others/64k", "p50, engine / no writes"),
        ("cold-read/1m", "bytes/s, engine / pread"),
        ("recovery/16k/1p", "GiB per CPU second"),
        ("compaction/1k", "MiB per CPU second"),
        ("calls/write/16k", "op/s, ring one by one / plain calls"),
        ("producers/1k", "p99, rings / threads"),
        (
            "group-commit/1k/64c",
            "appends/s over the loop's, zeroed ahead",
        ),
    ];
    let output = bench()
        .args([
            "engine",
            "--quick",
            "--rounds",
            "2",
            "--round-ms",
            "300",
            "--dir",
        ])
        .arg(dir.path())
        .arg("--json")
        .arg(&results)
        .args(cells.map(|(name, _)| name))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    let results = std::fs::read_to_string(&results).unwrap();
    assert!(results.contains("\"filesystem\""), "{results}");
    for (name, ratio) in cells {
        let (_, cell) = text.split_once(&format!("{name}\n")).expect(name);
        let cell = cell.split("\n").take_while(|line| line.starts_with(' '));
        assert!(
            cell.clone().any(|line| line.contains(ratio)),
            "{name} without {ratio}: {text}"
        );
        assert!(
            results.contains(&format!("\"{name}\"")),
            "{name}: {results}"
        );
    }
}

#[test]
fn cells_can_be_listed() {
    let output = bench()
        .args(["engine", "--list", "durable/1m"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.lines().count(), 8, "{text}");
    assert!(
        text.lines()
            .all(|line| line.starts_with("append/durable/1m/"))
    );
}
