//! `report.md`: the environment, conclusions, a table, ratios between cells and the charts.

use serde_json::Value;

use super::super::measured::{Flag, Measured};
use super::super::ratios::{self, Row};
use super::{Chart, Study, conclusions, tables};

/// The whole file. Charts are named, not embedded.
pub(super) fn report(study: &Study, ratios: &[Row], charts: &[Chart]) -> String {
    let ratios = if ratios.is_empty() {
        String::new()
    } else {
        format!("\n## Ratios\n\n{}", ratios::markdown(ratios))
    };
    let images = charts
        .iter()
        .map(|chart| format!("![{}]({}.svg)\n\n", chart.title, chart.name));
    format!(
        "# {}\n\n{}\n{}## Results\n\n{}\n{}{ratios}\n## Charts\n\n{}",
        study.name,
        environment(study),
        conclusions::markdown(&study.measured),
        tables::summary_markdown(&study.measured),
        remarks(&study.measured),
        images.collect::<String>(),
    )
}

/// Where it was measured, as a list.
fn environment(study: &Study) -> String {
    let mut text = format!("Broker: {}.\n\n", study.target);
    if let Some(fields) = study.environment.as_object() {
        for (name, value) in fields {
            text.push_str(&format!("- {name}: {}\n", told(value)));
        }
    }
    let disk = &study.disk;
    text.push_str(&format!(
        "- disk: fdatasync of 4 KiB {:.2} ms (p99 {:.2} ms), sequential writes {:.0} MB/s\n",
        disk.fdatasync_p50_ms, disk.fdatasync_p99_ms, disk.sequential_write_mb_per_s
    ));
    text
}

/// What the machine says of itself, as text.
pub(super) fn told(value: &Value) -> String {
    match value {
        Value::Null => "not told".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What a reader of the table has to know.
pub(super) fn remarks(measured: &[Measured]) -> String {
    let has = |flag| measured.iter().any(|it: &Measured| it.has(flag));
    let mut text = String::from(
        "Latencies are response times, from the intended time to the acknowledgement, unless they \
         are called service times, which begin with the sending.\n",
    );
    let remarks = [
        (
            Flag::Overloaded,
            "Where it says overloaded, the rate was not reached: latencies say that a queue grew.",
        ),
        (
            Flag::Saturated,
            "Where it says saturated, producers sent as fast as they could, from full buffers.",
        ),
        (
            Flag::ClientBound,
            "Where it says client-bound, the generator had no CPU left; the broker may have.",
        ),
        (
            Flag::Incorrect,
            "WHERE IT SAYS INCORRECT, RECORDS WERE LOST, DOUBLED, REORDERED OR DAMAGED.",
        ),
        (
            Flag::Failures,
            "Where it says failures, records were given up; run.json has the first error.",
        ),
    ];
    for (flag, remark) in remarks {
        if has(flag) {
            text.push_str(remark);
            text.push('\n');
        }
    }
    let checked: u64 = measured
        .iter()
        .flat_map(|it| &it.verdicts)
        .map(|it| it.acknowledged)
        .sum();
    text.push_str(&format!(
        "{checked} acknowledged records were looked for; {} runs were incorrect.\n",
        measured.iter().filter(|it| it.has(Flag::Incorrect)).count()
    ));
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_machine_does_not_say_is_not_told() {
        let texts = [Value::Null, json!("ext4"), json!([0.5, 1.0])].map(|it| told(&it));
        assert_eq!(texts, ["not told", "ext4", "[0.5,1.0]"]);
    }
}
