//! The workloads that come with the program, by name.

/// Name and file of each.
const PRESETS: [(&str, &str); 5] = [
    ("quick", include_str!("../presets/quick.toml")),
    ("latency", include_str!("../presets/latency.toml")),
    ("throughput", include_str!("../presets/throughput.toml")),
    ("tuning", include_str!("../presets/tuning.toml")),
    ("soak", include_str!("../presets/soak.toml")),
];

/// The TOML of a preset, if there is one of that name.
pub(super) fn text(name: &str) -> Option<&'static str> {
    let preset = PRESETS.iter().find(|preset| preset.0 == name);
    preset.map(|preset| preset.1)
}

/// The names of all.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|preset| preset.0)
}
