//! The workloads that come with the program, by name.

/// Name and file of each.
const PRESETS: [(&str, &str); 14] = [
    ("quick", include_str!("../presets/quick.toml")),
    ("latency", include_str!("../presets/latency.toml")),
    ("throughput", include_str!("../presets/throughput.toml")),
    ("tuning", include_str!("../presets/tuning.toml")),
    ("soak", include_str!("../presets/soak.toml")),
    ("rate-curve", include_str!("../presets/rate-curve.toml")),
    ("end-to-end", include_str!("../presets/end-to-end.toml")),
    ("durability", include_str!("../presets/durability.toml")),
    ("partitions", include_str!("../presets/partitions.toml")),
    ("codecs", include_str!("../presets/codecs.toml")),
    ("transactions", include_str!("../presets/transactions.toml")),
    ("fan-out", include_str!("../presets/fan-out.toml")),
    ("batching", include_str!("../presets/batching.toml")),
    ("axes", include_str!("../presets/axes.toml")),
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
