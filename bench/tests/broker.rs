//! The scenarios that need a broker still work: they run small against the broker of this checkout,
//! built in the profile of the tests.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal};

/// Builds the broker, as the bench crate does not depend on it.
fn broker() -> anyhow::Result<PathBuf> {
    let bench = Path::new(env!("CARGO_BIN_EXE_ringbrook-bench"));
    let profile = bench.parent().context("a target directory")?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", "ringbrook-broker"]);
    cargo.args(["--bin", "ringbrook"]);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    cargo
        .arg("--target-dir")
        .arg(profile.parent().context("a target directory")?);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    ensure!(cargo.status()?.success(), "the broker does not build");
    Ok(profile.join("ringbrook"))
}

/// Runs a scenario; its lines of output.
fn run(scenario: &str) -> anyhow::Result<Vec<String>> {
    run_command(scenario, &["run", scenario, "--quick"])
}

/// Compares a client with librdkafka, with few records; the lines of output.
fn run_client(scenario: &str, options: &[&str]) -> anyhow::Result<Vec<String>> {
    let mut args = vec![scenario, "--records", "5000", "--partitions", "2"];
    args.extend(options);
    run_command(scenario, &args)
}

fn run_command(scenario: &str, args: &[&str]) -> anyhow::Result<Vec<String>> {
    let dir = tempfile::tempdir()?;
    let results = dir.path().join("results.jsonl");
    let output = Command::new(env!("CARGO_BIN_EXE_ringbrook-bench"))
        .args(args)
        .args(["--rounds", "1"])
        // Any machine has a first core.
        .args(["--server-cpu", "0", "--client-cpu", "0", "--dir"])
        .arg(dir.path())
        .arg("--json")
        .arg(&results)
        .arg("--ringbrook")
        .arg(broker()?)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{text}{errors}");
    let results = std::fs::read_to_string(&results)?;
    ensure!(results.contains(&format!("\"{scenario}\"")), "{results}");
    Ok(text.lines().map(str::to_owned).collect())
}

/// A broker of this checkout that is killed when dropped, and where it listens.
struct Broker(Child, String);

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn start_broker(dir: &Path) -> anyhow::Result<Broker> {
    let mut child = Command::new(broker()?)
        .arg("--data-dir")
        .arg(dir)
        .args(["--override", "listeners=PLAINTEXT://127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = child.stdout.take();
    let mut broker = Broker(child, String::new());
    let mut line = String::new();
    BufReader::new(stdout.context("stdout is piped")?).read_line(&mut line)?;
    let address = line
        .split(['/', ';'])
        .find(|it| it.starts_with("127.0.0.1:"))
        .with_context(|| format!("no address in {line:?}"))?;
    broker.1 = address.trim().to_owned();
    Ok(broker)
}

#[test]
fn a_broker_that_runs_already_is_put_under_every_load() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let broker = start_broker(&dir.path().join("data"))?;
    let results = dir.path().join("results.jsonl");
    let output = Command::new(env!("CARGO_BIN_EXE_ringbrook-bench"))
        .args(["against", &broker.1, "--quick", "--client-cpu", "0"])
        .args(["--broker-pid", &broker.0.id().to_string()])
        .args(["--rounds", "2", "--json"])
        .arg(&results)
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{errors}");
    let lines = String::from_utf8(output.stdout)?;
    let lines: Vec<_> = lines.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 12, "{lines:?}");
    for load in [
        "produce-16k",
        "produce-64k",
        "produce-one-record",
        "produce-one-record-pipelined",
        "fetch-1m",
        "fetch-64k",
    ] {
        tells(
            &lines,
            &[
                load,
                "CPU us/req",
                "CPU-s/GiB",
                "requests/s",
                "client CPU %",
            ],
        );
    }
    let results = std::fs::read_to_string(&results)?;
    for line in results.lines().skip(1) {
        let result: serde_json::Value = serde_json::from_str(line)?;
        assert_eq!(result["requests"], 200.0, "{result}");
    }
    Ok(())
}

/// Both sides are our broker, so that no other is needed: one started by the comparison, one that
/// runs already.
#[test]
fn brokers_are_compared_in_everything_and_reported() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let other = start_broker(&dir.path().join("data"))?;
    let results = dir.path().join("results");
    let output = Command::new(env!("CARGO_BIN_EXE_ringbrook-bench"))
        .arg("compare")
        .arg(&results)
        .args(["--smoke", "--rounds", "1", "--sides", "ringbrook,other"])
        .args(["--rows", "idle,raw,rates,librdkafka", "--other"])
        .arg(format!("{},{}", other.1, other.0.id()))
        .args(["--server-cpu", "0", "--client-cpu", "0", "--ringbrook"])
        .arg(broker()?)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{text}{errors}");
    let report = std::fs::read_to_string(results.join("comparison.md"))?;
    let lines: Vec<_> = report.lines().map(str::to_owned).collect();
    for (row, quantity) in [
        ("idle", "resident MiB"),
        ("idle with partitions", "resident MiB"),
        ("produce-16k", "CPU us/req"),
        ("fetch-64k", "CPU-s/GiB"),
        ("produce at 50 % of other", "response p99.9 ms"),
        ("produce unbatched at 50 % of other", "response p99.9 ms"),
        ("end to end at 50 % of other", "end-to-end p99 ms"),
        ("librdkafka consumer", "records/s"),
    ] {
        let row = format!("| {row} |");
        tells(&lines, &[&row, &format!("| {quantity} |")]);
    }
    tells(
        &lines,
        &[
            "p99.9 of produce at half of their maximum",
            "ringbrook / other",
        ],
    );
    assert!(results.join("ringbrook-other.svg").exists(), "{report}");
    Ok(())
}

/// Whether a line has all `words`.
fn tells(lines: &[String], words: &[&str]) {
    let has_all = |line: &String| words.iter().all(|word| line.contains(word));
    assert!(lines.iter().any(has_all), "nothing of {words:?}: {lines:?}");
}

#[test]
fn commits_of_one_and_of_many_groups_are_measured() -> anyhow::Result<()> {
    let lines = run("offset-commit")?;
    for load in [
        "1 group:",
        "64 groups:",
        "1 group, durable:",
        "64 groups, durable:",
    ] {
        tells(&lines, &[load, "commits/s"]);
        tells(&lines, &[load, "CPU us/commit"]);
    }
    Ok(())
}

#[test]
fn groups_of_both_protocols_are_joined() -> anyhow::Result<()> {
    let lines = run("group-join")?;
    for protocol in ["classic:", "consumer:"] {
        tells(&lines, &[protocol, "ms until all are assigned"]);
        tells(&lines, &[protocol, "ms of broker CPU"]);
    }
    Ok(())
}

#[test]
fn transactions_are_compared_with_plain_produce() -> anyhow::Result<()> {
    for scenario in ["transactions", "transactions-durable"] {
        let lines = run(scenario)?;
        for load in [
            "idempotent",
            "1,000-record transactions",
            "100 ms transactions",
        ] {
            tells(&lines, &[load, "records/s", "ratio"]);
            tells(&lines, &[load, "CPU us/record", "ratio"]);
        }
    }
    Ok(())
}

/// Runs a load for a moment against the broker of this checkout; the directory of results.
fn load(arguments: &[&str]) -> anyhow::Result<(tempfile::TempDir, PathBuf)> {
    let dir = tempfile::tempdir()?;
    let output = Command::new(env!("CARGO_BIN_EXE_ringbrook-bench"))
        .arg("load")
        .args(arguments)
        .args(["--set", "warm_up_s=0.2", "--set", "measured_s=0.6"])
        .arg("--dir")
        .arg(dir.path())
        .arg("--out")
        .arg(dir.path().join("results"))
        .arg("--ringbrook")
        .arg(broker()?)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{text}{errors}");
    let mut results = std::fs::read_dir(dir.path().join("results"))?;
    let results = results.next().context("a directory of results")??.path();
    Ok((dir, results))
}

/// The rows of `summary.csv`: column by column.
fn summary(results: &Path) -> anyhow::Result<Vec<HashMap<String, String>>> {
    let text = std::fs::read_to_string(results.join("summary.csv"))?;
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned));
    let names: Vec<_> = lines.next().context("a header")?.collect();
    Ok(lines
        .map(|fields| names.iter().cloned().zip(fields).collect())
        .collect())
}

#[test]
fn an_open_load_is_measured_and_every_record_is_found_by_every_group() -> anyhow::Result<()> {
    let (_dir, results) = load(&["quick", "--load", "2000", "--set", "consumer_groups=2"])?;
    let run: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(results.join("run.json"))?)?;
    let result = &run["results"][0];
    let verdicts = result["verification"].as_array().context("verdicts")?;
    assert_eq!(verdicts.len(), 2, "{result}");
    for verdict in verdicts {
        assert!(
            1000 < verdict["acknowledged"].as_u64().context("a count")?,
            "{verdict}"
        );
        assert_eq!(verdict["acknowledged"], verdict["read"], "{verdict}");
        assert_eq!(verdict["lost"], 0, "{verdict}");
    }
    let latency = |name: &str| result[name].as_f64().with_context(|| name.to_owned());
    let service = latency("aggregatedPublishLatency50pct")?;
    assert!(0.0 < service && service <= latency("aggregatedPublishResponseLatencyMax")?);
    assert!(0.0 < latency("aggregatedEndToEndLatency99pct")?);
    for file in ["report.md", "report.html"] {
        assert!(results.join(file).exists(), "{file} is missing");
    }
    // A machine that is too busy for the load has no latencies to draw.
    let flags = result["flags"].as_array().context("flags")?;
    let is_drawn = results.join("percentiles.svg").exists();
    assert_ne!(flags.contains(&"overloaded".into()), is_drawn, "{result}");
    Ok(())
}

#[test]
fn linger_makes_batches_of_a_slow_load_larger() -> anyhow::Result<()> {
    let file = tempfile::NamedTempFile::with_suffix(".toml")?;
    let text = "load = 1000\nrecord_bytes = 100\n[sweep]\n\"producer.linger.ms\" = [0, 100]\n";
    std::fs::write(file.path(), text)?;
    let (_dir, results) = load(&[file.path().to_str().context("UTF-8")?])?;
    let rows = summary(&results)?;
    let records = |linger: &str| {
        let row = rows.iter().find(|row| row["linger_ms"] == linger);
        let row = row.with_context(|| format!("no row of linger.ms {linger}: {rows:?}"))?;
        anyhow::Ok(row["batch_records"].parse::<f64>()?)
    };
    let (at_once, lingering) = (records("0")?, records("100")?);
    assert!(
        at_once * 3.0 < lingering,
        "{at_once} and {lingering} records per batch"
    );
    Ok(())
}

/// In an open loop by time, read back afterwards; in a closed loop by records, read by a group.
#[test]
fn records_of_transactions_are_found_and_commits_are_timed() -> anyhow::Result<()> {
    let by_time = ["quick", "--load", "2000", "--set", "consumer_groups=0"];
    let by_time = [&by_time[..], &["--set", "transaction_ms=50"]].concat();
    let by_records = ["quick", "--load", "max", "--set", "producers=3"];
    let by_records = [&by_records[..], &["--set", "transaction_records=200"]].concat();
    for arguments in [by_time, by_records] {
        let (_dir, results) = load(&arguments)?;
        let run: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(results.join("run.json"))?)?;
        let result = &run["results"][0];
        let verdict = &result["verification"][0];
        assert!(verdict["acknowledged"].as_u64() > Some(0), "{verdict}");
        assert_eq!(verdict["read"], verdict["acknowledged"], "{verdict}");
        assert!(
            result["transactions"]["committed"].as_u64() > Some(1),
            "{result}"
        );
        assert_eq!(result["transactions"]["aborted"], 0, "{result}");
        let p50 = result["aggregatedCommitLatency50pct"].as_f64();
        let p99 = result["aggregatedCommitLatency99pct"].as_f64();
        assert!(Some(0.0) < p50 && p50 <= p99, "{result}");
        let rows = summary(&results)?;
        assert!(rows[0]["commit_p99_ms"].parse::<f64>()? > 0.0, "{rows:?}");
    }
    Ok(())
}

/// The settings are those that each broker itself says it has.
#[test]
fn settings_of_the_broker_are_swept_with_a_broker_each() -> anyhow::Result<()> {
    let text = "name = \"brokers\"\nload = 500\n[sweep]\n\
                \"broker.log.flush.before.ack\" = [true, false]\n";
    let file = tempfile::NamedTempFile::with_suffix(".toml")?;
    std::fs::write(file.path(), text)?;
    let path = file.path().to_str().context("UTF-8")?;
    let (_dir, results) = load(&[path, "--broker-override", "log.segment.bytes=67108864"])?;
    let run: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(results.join("run.json"))?)?;
    let settings = run["results"].as_array().context("results")?.iter();
    let settings = settings.map(|it| &it["brokerSettings"]);
    let settings: Vec<_> = settings.collect();
    assert_eq!(settings.len(), 2, "{run}");
    for (settings, value) in settings.into_iter().zip(["false", "true"]) {
        assert_eq!(settings["log.flush.before.ack"], value);
        assert_eq!(settings["log.segment.bytes"], "67108864");
    }
    Ok(())
}

#[test]
fn ratios_between_cells_are_told_by_the_report_and_by_the_command() -> anyhow::Result<()> {
    let (_dir, results) = load(&[
        "batching",
        "--set",
        "sweep.record_bytes=[100]",
        "--set",
        "sweep.producer.batch.size=[1, 16384]",
        "--set",
        "repetitions=2",
    ])?;
    let output = Command::new(env!("CARGO_BIN_EXE_ringbrook-bench"))
        .arg("ratios")
        .arg(&results)
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(output.status.success(), "{text}");
    let row = text.lines().find(|line| line.starts_with("| R6 |"));
    let row = row.with_context(|| text.clone())?;
    assert!(row.contains("batch.size 16384 / one record"), "{row}");
    let report = std::fs::read_to_string(results.join("report.md"))?;
    assert!(report.contains(row), "{report}");
    Ok(())
}

#[test]
fn settings_of_a_broker_that_runs_already_are_refused() -> anyhow::Result<()> {
    let output = Command::new(env!("CARGO_BIN_EXE_ringbrook-bench"))
        .args(["load", "quick", "--bootstrap-server", "127.0.0.1:1"])
        .args(["--set", "broker.log.flush.before.ack=false"])
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && errors.contains("--bootstrap-server"),
        "{errors}"
    );
    Ok(())
}

#[test]
fn the_consumer_is_compared_with_librdkafka() -> anyhow::Result<()> {
    for compression in ["none", "lz4"] {
        let lines = run_client("client-consume", &["--compression", compression])?;
        for unit in ["records/s", "CPU us/record"] {
            tells(&lines, &[unit, "native", "librdkafka", "ratio"]);
        }
    }
    Ok(())
}

#[test]
fn the_producer_is_compared_with_librdkafka() -> anyhow::Result<()> {
    let others = ["--plain", "--linger-ms", "0", "--compression", "lz4"];
    for (options, settings) in [
        (
            &[][..],
            "none, linger.ms 5, batch.size 131072, idempotence on",
        ),
        (
            &others,
            "lz4, linger.ms 0, batch.size 131072, idempotence off",
        ),
    ] {
        let mut options = options.to_vec();
        options.push("--counters");
        let lines = run_client("client-produce", &options)?;
        tells(&lines, &[settings]);
        for side in ["native:", "librdkafka:"] {
            tells(&lines, &[side, "records", "in a batch"]);
        }
        for unit in ["records/s", "CPU us/record"] {
            tells(&lines, &[unit, "native", "librdkafka", "ratio"]);
        }
    }
    Ok(())
}

#[test]
fn advice_is_given_and_checked() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let output = Command::new(env!("CARGO_BIN_EXE_ringbrook-bench"))
        .args([
            "advise",
            "--rate",
            "500",
            "--record-bytes",
            "100",
            "--p99-ms",
            "60000",
        ])
        .args(["--seconds", "0.4", "--check", "--dir"])
        .arg(dir.path())
        .arg("--ringbrook")
        .arg(broker()?)
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    tells(&lines, &["linger.ms="]);
    tells(&lines, &["batch.size=16384"]);
    tells(&lines, &["checked: p99", "predicted"]);
    Ok(())
}

/// Brokers whose files are in `dir`.
fn brokers_in(dir: &Path) -> anyhow::Result<usize> {
    let mut count = 0;
    for process in std::fs::read_dir("/proc")? {
        // It may be gone by now, and not everything here is a process.
        let Ok(command) = std::fs::read(process?.path().join("cmdline")) else {
            continue;
        };
        let command = String::from_utf8_lossy(&command).into_owned();
        let mut words = command.split('\0').skip_while(|it| *it != "--data-dir");
        count += usize::from(
            words
                .nth(1)
                .is_some_and(|it| Path::new(it).starts_with(dir)),
        );
    }
    Ok(count)
}

#[test]
fn an_interrupted_load_leaves_neither_brokers_nor_files() -> anyhow::Result<()> {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let (dir, results) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringbrook-bench"))
            .args(["load", "quick", "--load", "2000", "--set", "warm_up_s=0.1"])
            .args(["--set", "measured_s=0.1", "--set", "repetitions=10000"])
            .arg("--dir")
            .arg(dir.path())
            .arg("--out")
            .arg(results.path())
            .arg("--ringbrook")
            .arg(broker()?)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stdout = BufReader::new(child.stdout.take().context("stdout is piped")?);
        // Told when the first run is over.
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        assert_eq!(brokers_in(dir.path())?, 1, "{line}");
        rustix::process::kill_process(Pid::from_child(&child), signal)?;
        assert_eq!(child.wait()?.code(), Some(code));
        assert_eq!(brokers_in(dir.path())?, 0);
        assert_eq!(std::fs::read_dir(dir.path())?.count(), 0);
    }
    Ok(())
}

/// The program that `compare` waits for here has no broker to give up.
#[test]
fn an_interrupted_comparison_ends_the_program_it_waits_for() -> anyhow::Result<()> {
    let (results, told) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let pipe = told.path().join("begun");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, Mode::RWXU)?;
    let script = told.path().join("start");
    // Holds the pipe open as long as it runs.
    let holder = format!(
        "#!/bin/sh\nexec 3> {}\necho >&3\nexec sleep 1000\n",
        pipe.display()
    );
    std::fs::write(&script, holder)?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringbrook-bench"))
        .arg("compare")
        .arg(results.path())
        .args(["--sides", "kafka", "--smoke", "--kafka-start"])
        .arg(&script)
        .spawn()?;
    let mut held = std::fs::File::open(&pipe)?;
    assert_eq!(held.read(&mut [0; 2])?, 1, "the program has begun");
    rustix::process::kill_process(Pid::from_child(&child), Signal::TERM)?;
    assert_eq!(child.wait()?.code(), Some(143));
    rustix::fs::fcntl_setfl(&held, OFlags::NONBLOCK)?;
    // It would be WouldBlock while somebody holds the other end.
    assert_eq!(held.read(&mut [0; 2])?, 0, "the program has ended");
    Ok(())
}
