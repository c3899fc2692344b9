//! Numbers as Java writes them.

/// A number as Java writes it: plain from a thousandth to ten millions, else with an exponent. The
/// shortest digits of both forms are given, as they depend on the number's type.
#[must_use]
pub fn java_float(value: f64, plain: &str, scientific: &str) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-Infinity" } else { "Infinity" }.to_owned();
    }
    if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        return plain.to_owned();
    }
    match scientific.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => scientific.to_owned(),
    }
}
