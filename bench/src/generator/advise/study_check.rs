//! `advice.md`: predictions beside a study, and what following the advice would have meant.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, ensure};

use super::super::observed::{self, Group};
use super::super::report::scatter;
use super::check::{self, Errors, Pair, QUANTITIES, errors, factor, overloads, predict_all};
use super::costs::Costs;
use super::regret::{Regret, regrets};
use crate::report::line;

/// So many cells are named as those predicted worst.
const WORST_COUNT: usize = 8;

const CHART: &str = "advice-p99.svg";

/// Compares, and writes `advice.md` and a chart into the study's directory.
///
/// # Errors
/// The study cannot be read or has too few cells, or the files cannot be written.
pub(super) fn write(dir: &Path) -> anyhow::Result<()> {
    let cells = observed::read(dir)?;
    let open = cells.iter().any(|cell| cell.target_rate.is_some());
    ensure!(
        open,
        "the study has no open loop: there is nothing to predict"
    );
    let mut models = Vec::new();
    for group in observed::model_groups(&cells) {
        let costs = Costs::fit(&group.cells.iter().collect::<Vec<_>>());
        let costs = costs.context("the study has no open loop that was sustained")?;
        let pairs = predict_all(&group)?;
        models.push(Model {
            group,
            costs,
            pairs,
        });
    }
    let (text, svg) = (advice(&models), chart(&models)?);
    for (name, text) in [("advice.md", &text), (CHART, &svg)] {
        let path = dir.join(name);
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    for text in text.lines().take_while(|text| !text.starts_with("## What")) {
        line(text);
    }
    line(&format!("written: {}", dir.join("advice.md").display()));
    Ok(())
}

/// Cells that one set of costs explains.
struct Model {
    group: Group,
    costs: Costs,
    pairs: Vec<Pair>,
}

fn advice(models: &[Model]) -> String {
    let mut text = "# Predictions beside measurements\n\nEvery open loop of this study was \
                    predicted by the model of `ringbrook-bench advise`, from costs that were \
                    fitted to other cells of the study only: cells are predicted in five parts, \
                    each from the other four and the closed loops. An error is a factor: how many \
                    times the greater of measured and predicted value is the lesser.\n\n"
        .to_owned();
    for model in models {
        if !model.group.label.is_empty() {
            text.push_str(&format!("## {}\n\n", model.group.label));
        }
        text.push_str(&format!("Fitted to all cells: {}.\n\n", model.costs));
        text.push_str(&accuracy(&model.pairs));
    }
    text.push_str(&format!("![p99 predicted and measured]({CHART})\n\n"));
    text.push_str(
        "## What following the advice would have meant\n\nFor every rate and goal: the setting \
         recommended among those measured, its p99, the least p99 that any setting had, and the \
         CPU it took beside the cheapest setting that kept the goal.\n\n",
    );
    for model in models {
        text.push_str(&following(model));
    }
    text
}

/// The tables of errors.
fn accuracy(pairs: &[Pair]) -> String {
    let calm: Vec<_> = pairs.iter().filter(|pair| pair.is_calm()).collect();
    let sustained: Vec<_> = pairs
        .iter()
        .filter(|pair| pair.cell.is_sustained())
        .collect();
    let busy = check::CALM_UTILISATION * 100.0;
    let mut text = String::new();
    for (pairs, what) in [
        (
            &calm,
            format!("Cells that kept their rate with client and broker below {busy:.0} %"),
        ),
        (&sustained, "All cells that kept their rate".to_owned()),
    ] {
        text.push_str(&format!(
            "{what}:\n\n| quantity | cells | median error | within 1.2 | within 1.5 | within 2 | \
             worst error | worst cell |\n|---|---|---|---|---|---|---|---|\n"
        ));
        for quantity in &QUANTITIES {
            if let Some(errors) = errors(pairs, quantity) {
                text.push_str(&row(quantity.0, &errors));
            }
        }
        text.push('\n');
    }
    let counts = overloads(pairs);
    text.push_str(&format!(
        "Too much for broker or client: {} cells by prediction and measurement, {} by prediction \
         only, {} by measurement only; {} by neither.\n\n",
        counts.both, counts.only_predicted, counts.only_measured, counts.neither
    ));
    text + &worst(&sustained)
}

fn row(name: &str, errors: &Errors) -> String {
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let (measured, predicted) = errors.worst_values;
    format!(
        "| {name} | {} | {} | {} | {} | {} | {} | {}: {} measured, {} predicted |\n",
        errors.count,
        times(errors.median),
        percent(errors.within_1_2),
        percent(errors.within_1_5),
        percent(errors.within_2),
        times(errors.worst),
        errors.worst_cell,
        short(measured),
        short(predicted),
    )
}

/// The cells whose p99 was predicted worst.
fn worst(pairs: &[&Pair]) -> String {
    let error = |pair: &Pair| factor((pair.cell.p99_ms, pair.prediction.p99_ms));
    let mut sorted = pairs.to_vec();
    sorted.sort_by(|a, b| error(b).total_cmp(&error(a)));
    let mut text = "p99 was predicted worst for:\n\n".to_owned();
    for pair in sorted.iter().take(WORST_COUNT) {
        let crowded = if pair.cell.is_client_bound {
            ", client-bound"
        } else {
            ""
        };
        text.push_str(&format!(
            "- {}: {} ms measured, {} ms predicted ({}; busy {:.0} % measured, {:.0} % \
             predicted{crowded})\n",
            pair.cell.workload.name,
            short(pair.cell.p99_ms),
            short(pair.prediction.p99_ms),
            times(error(pair)),
            pair.cell.utilisation() * 100.0,
            pair.prediction.utilisation * 100.0,
        ));
    }
    text + "\n"
}

/// A table per group and rate.
fn following(model: &Model) -> String {
    let cells: Vec<_> = model.pairs.iter().map(|pair| pair.cell.clone()).collect();
    let mut text = String::new();
    for group in observed::groups(&cells) {
        let title = match model.group.label.as_str() {
            "" => group.label.clone(),
            label => format!("{}, {label}", group.label),
        };
        text.push_str(&format!(
            "### {title}\n\n| records/s | goal p99 ms | recommended | predicted ms | measured ms | \
             goal kept | best ms | of | p99 / best | CPU / cheapest |\n|{}\n",
            "---|".repeat(10)
        ));
        for same in group.by_rate() {
            let is_of_rate = |pair: &&Pair| same.contains(&&pair.cell);
            let pairs: Vec<_> = model.pairs.iter().filter(is_of_rate).collect();
            for regret in regrets(&pairs) {
                text.push_str(&regret_row(&regret));
            }
        }
        text.push('\n');
    }
    text
}

fn regret_row(regret: &Regret<'_>) -> String {
    let cell = regret.recommended;
    let kept = match (regret.is_kept(), regret.cheapest) {
        (true, _) => "yes",
        (false, Some(_)) => "NO",
        (false, None) => "no, as with every setting",
    };
    let factor = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), times);
    let measured = if cell.is_overloaded {
        "overloaded".to_owned()
    } else {
        short(cell.p99_ms)
    };
    format!(
        "| {:.0} | {} | {} | {} | {measured} | {kept} | {} | {} | {} | {} |\n",
        cell.target_rate.unwrap_or_default(),
        regret.goal_ms,
        cell.settings(),
        short(regret.predicted_ms),
        short(regret.best.p99_ms),
        regret.best.settings(),
        factor(regret.p99_factor()),
        factor(regret.cpu_factor()),
    )
}

fn times(factor: f64) -> String {
    if factor.is_finite() {
        format!("{factor:.2}x")
    } else {
        "one of them is no number".to_owned()
    }
}

/// Three digits or so.
fn short(value: f64) -> String {
    match value {
        large if 100.0 <= large => format!("{large:.0}"),
        medium if 10.0 <= medium => format!("{medium:.1}"),
        small => format!("{small:.2}"),
    }
}

/// Predicted p99 against measured p99, points by linger.ms.
fn chart(models: &[Model]) -> anyhow::Result<String> {
    let mut by_linger: BTreeMap<u64, Vec<(f64, f64)>> = BTreeMap::new();
    for pair in models.iter().flat_map(|model| &model.pairs) {
        if pair.cell.is_sustained() && pair.prediction.p99_ms.is_finite() {
            // Positive floats have the order of their bits.
            let points = by_linger.entry(pair.cell.linger_ms().to_bits());
            points
                .or_default()
                .push((pair.cell.p99_ms, pair.prediction.p99_ms));
        }
    }
    let series = by_linger
        .into_iter()
        .map(|(linger, points)| (format!("linger.ms {}", f64::from_bits(linger)), points));
    let series: Vec<_> = series.collect();
    scatter("p99 of response times, predicted and measured", &series)
        .context("no cell kept its rate: there is nothing to draw")
}

#[cfg(test)]
mod tests;
