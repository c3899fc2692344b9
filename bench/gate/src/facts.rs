//! What instruction counts depend on beside the product's code. Where one of these differs from the
//! baseline's, counts are no claim about the code, and the gate only reports.

use std::process::Command;

/// What the process that runs the rows says of itself, as lines of `fact name: value`.
pub(crate) fn of_this_process() -> Vec<(&'static str, String)> {
    vec![
        ("rustc", env!("GATE_RUSTC").to_owned()),
        ("cc", env!("GATE_CC").to_owned()),
        ("target", env!("GATE_TARGET").to_owned()),
        ("target_features", env!("GATE_TARGET_FEATURES").to_owned()),
        ("rustflags", env!("GATE_RUSTFLAGS").to_owned()),
        ("processor", processor()),
    ]
}

/// What code may choose by; valgrind makes it up from what the machine has.
#[cfg(target_arch = "x86_64")]
fn processor() -> String {
    let detected = [
        ("sse4.2", is_x86_feature_detected!("sse4.2")),
        ("pclmulqdq", is_x86_feature_detected!("pclmulqdq")),
        ("popcnt", is_x86_feature_detected!("popcnt")),
        ("avx", is_x86_feature_detected!("avx")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("bmi1", is_x86_feature_detected!("bmi1")),
        ("bmi2", is_x86_feature_detected!("bmi2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("vpclmulqdq", is_x86_feature_detected!("vpclmulqdq")),
    ];
    let names = detected.into_iter().filter(|(_, has)| *has);
    names.map(|(name, _)| name).collect::<Vec<_>>().join(" ")
}

#[cfg(not(target_arch = "x86_64"))]
fn processor() -> String {
    std::env::consts::ARCH.to_owned()
}

/// The C library, which has memcpy.
pub(crate) fn libc() -> String {
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_else(|error| format!("unknown: {error}"))
}
