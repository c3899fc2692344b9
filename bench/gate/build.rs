//! Tells the gate which compilers built it: other compilers give other instruction counts.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=CC");
    println!("cargo::rerun-if-env-changed=RUSTFLAGS");
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    // mimalloc and zstd are compiled by it.
    let cc = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    println!("cargo::rustc-env=GATE_RUSTC={}", first_line(&rustc));
    println!("cargo::rustc-env=GATE_CC={}", first_line(&cc));
    for (name, source) in [
        ("GATE_TARGET", "TARGET"),
        ("GATE_TARGET_FEATURES", "CARGO_CFG_TARGET_FEATURE"),
        ("GATE_RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"),
    ] {
        let value = std::env::var(source).unwrap_or_default();
        println!(
            "cargo::rustc-env={name}={}",
            value.replace('\u{1f}', " ").trim()
        );
    }
}

/// What a compiler says of its version.
fn first_line(compiler: &str) -> String {
    let output = Command::new(compiler).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_else(|error| format!("unknown: {error}"));
    text.lines().next().unwrap_or("unknown").to_owned()
}
