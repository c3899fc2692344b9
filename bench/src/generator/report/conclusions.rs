//! What to conclude from a study of linger.ms and batch.size: sentences that follow from its
//! numbers, and are left out where it has none. Pure.

use super::super::measured::Measured;
use super::super::observed::{Group, Observed, groups, medians};
use super::svg::escape;

/// Values this close count as equal: runs of the same cell differ by as much.
const EQUAL: f64 = 1.1;
/// The knee is where p99 passes this many times that of the lowest rate.
const KNEE: f64 = 3.0;
/// Throughput this close to the best is as good.
const GAIN_MIN: f64 = 1.05;
/// Of a millisecond of p99 per millisecond of linger.ms: less is no cost worth naming.
const SLOPE_MIN: f64 = 0.1;

/// The section of `report.md`; empty when nothing follows.
pub(super) fn markdown(measured: &[Measured]) -> String {
    let mut text = String::new();
    for (title, sentences) in of(measured) {
        text.push_str(&format!("**{title}**\n\n"));
        for sentence in sentences {
            text.push_str(&format!("- {sentence}\n"));
        }
        text.push('\n');
    }
    if text.is_empty() {
        return text;
    }
    format!("## What to conclude\n\n{text}")
}

/// The same for `report.html`.
pub(super) fn html(measured: &[Measured]) -> String {
    let mut text = String::new();
    for (title, sentences) in of(measured) {
        let items = sentences
            .iter()
            .map(|sentence| format!("<li>{}</li>\n", escape(sentence)));
        let items: String = items.collect();
        text.push_str(&format!("<h3>{}</h3><ul>\n{items}</ul>\n", escape(&title)));
    }
    if text.is_empty() {
        return text;
    }
    format!("<h2>What to conclude</h2>\n{text}")
}

fn of(measured: &[Measured]) -> Vec<(String, Vec<String>)> {
    sections(&medians(measured.iter().map(Observed::of).collect()))
}

/// Sentences by what they are about.
fn sections(cells: &[Observed]) -> Vec<(String, Vec<String>)> {
    let all = groups(cells).into_iter().map(|group| {
        let sentences = [
            low_rate(&group),
            high_rate(&group),
            knee(&group),
            batch_size(&group),
            cpu(&group),
        ];
        let title = sentence_case(&group.label);
        (title, sentences.into_iter().flatten().collect::<Vec<_>>())
    });
    all.filter(|(_, sentences)| !sentences.is_empty()).collect()
}

/// What linger.ms costs where hardly anything goes on.
fn low_rate(group: &Group) -> Option<String> {
    let rates = group.by_rate();
    let cells = rates.first()?;
    // The largest batches are those that linger.ms ends, not their size.
    let largest = cells
        .iter()
        .map(|cell| cell.batch_size())
        .max_by(f64::total_cmp)?;
    let points: Vec<_> = cells
        .iter()
        .filter(|cell| cell.is_sustained() && cell.batch_size() == largest)
        .map(|cell| (cell.linger_ms(), cell.p99_ms))
        .collect();
    let slope = slope(&points)?;
    let (first, last) = (points.first()?, points.last()?);
    let rate = cells.first()?.target_rate?;
    let what = if slope < SLOPE_MIN {
        "linger.ms costs next to nothing".to_owned()
    } else {
        format!("each ms of linger.ms adds {slope:.2} ms to p99")
    };
    Some(format!(
        "At {} records/s {what}: it is {} ms with linger.ms {} and {} ms with linger.ms {} \
         (batch.size {largest}).",
        count(rate),
        ms(first.1),
        first.0,
        ms(last.1),
        last.0
    ))
}

/// Of the line through points with the least squares; nothing when they have one x.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let len = points.len() as f64;
    let mean_x = points.iter().map(|it| it.0).sum::<f64>() / len;
    let mean_y = points.iter().map(|it| it.1).sum::<f64>() / len;
    let products = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y));
    let squares: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    (0.0 < squares).then(|| products.sum::<f64>() / squares)
}

/// Whether waiting makes the busiest rate quicker: the U. Of the highest rate that was kept.
fn high_rate(group: &Group) -> Option<String> {
    let rates = group.by_rate();
    let rate = |cells: &[&Observed]| cells.first().and_then(|cell| cell.target_rate);
    let kept = rates
        .iter()
        .rposition(|cells| cells.iter().any(|it| it.is_sustained()));
    let Some(kept) = kept else {
        let least = rates.first().and_then(|cells| rate(cells))?;
        return Some(format!(
            "{} records/s were too much with every setting.",
            count(least)
        ));
    };
    let cells = rates.get(kept).filter(|_| 0 < kept)?;
    let best = cells
        .iter()
        .copied()
        .filter(|cell| cell.is_sustained())
        .min_by(|a, b| a.p99_ms.total_cmp(&b.p99_ms))?;
    let size = best.batch_size();
    let mut same = cells
        .iter()
        .copied()
        .filter(|cell| cell.batch_size() == size);
    let (shortest, longest) = (same.next()?, same.next_back()?);
    let more = rates.get(kept + 1).and_then(|cells| rate(cells));
    let more = more.map_or_else(String::new, |rate| {
        format!(
            "{} records/s were too much with every setting. ",
            count(rate)
        )
    });
    Some(format!(
        "{more}At {} records/s (batch.size {size}) {}.",
        count(rate(cells)?),
        shape(best, shortest, longest)
    ))
}

/// How p99 goes from the shortest to the longest linger.ms, with the best of all between them.
fn shape(best: &Observed, shortest: &Observed, longest: &Observed) -> String {
    let name = |cell: &Observed| format!("linger.ms {}", cell.linger_ms());
    let is_worse = |cell: &Observed| !cell.is_sustained() || best.p99_ms * EQUAL < cell.p99_ms;
    let with = |cell: &Observed| {
        if cell.is_sustained() {
            let factor = cell.p99_ms / best.p99_ms;
            let ms = ms(cell.p99_ms);
            format!(
                "with {} it is {factor:.1} times as much ({ms} ms)",
                name(cell)
            )
        } else {
            format!("{} does not keep the rate", name(cell))
        }
    };
    match (is_worse(shortest), is_worse(longest)) {
        (true, true) => format!(
            "p99 has the shape of a U: least with {}, {} ms; {}, {}",
            name(best),
            ms(best.p99_ms),
            with(shortest),
            with(longest)
        ),
        (true, false) => format!(
            "waiting makes p99 shorter: {} ms with {}; {}",
            ms(best.p99_ms),
            name(best),
            with(shortest)
        ),
        (false, true) => format!(
            "there is no U: {} has a p99 of {} ms with {:.1} records per batch; {}",
            name(shortest),
            ms(shortest.p99_ms),
            shortest.records_per_s / shortest.batches_per_s,
            with(longest)
        ),
        (false, false) => format!(
            "linger.ms makes no difference to p99 beyond a tenth: {} ms with {}, {} ms with {}",
            ms(shortest.p99_ms),
            name(shortest),
            ms(longest.p99_ms),
            name(longest)
        ),
    }
}

/// Up to which rate latency stays what it is: with the settings that keep the highest rate best.
fn knee(group: &Group) -> Option<String> {
    let rates = group.by_rate();
    let lowest = rates.first().filter(|_| 2 < rates.len())?;
    let sustained = lowest.iter().filter(|cell| cell.is_sustained());
    let curves: Vec<Vec<&Observed>> = sustained
        .map(|first| {
            let same = |cell: &&&Observed| cell.settings() == first.settings();
            let curve = rates.iter().filter_map(|cells| cells.iter().find(same));
            curve.copied().collect()
        })
        .collect();
    let mut kept: Vec<_> = curves
        .iter()
        .filter_map(|curve| {
            let first = curve.first()?;
            let is_calm =
                |cell: &&&Observed| cell.is_sustained() && cell.p99_ms <= first.p99_ms * KNEE;
            let calm = curve.iter().take_while(is_calm).count();
            Some((calm, curve))
        })
        .collect();
    // The most rates, then the least p99 at the lowest of them.
    kept.sort_by(|a, b| {
        let first = |it: &(usize, &Vec<&Observed>)| it.1.first().map_or(0.0, |cell| cell.p99_ms);
        b.0.cmp(&a.0).then(first(a).total_cmp(&first(b)))
    });
    let (calm, curve) = kept.first()?;
    let (first, last) = (curve.first()?, curve.get(calm.checked_sub(1)?)?);
    let rate = |cell: &Observed| count(cell.target_rate.unwrap_or_default());
    let head = format!(
        "With {} p99 stays within {KNEE} times that of {} records/s ({} ms) up to {} records/s",
        first.settings(),
        rate(first),
        ms(first.p99_ms),
        rate(last)
    );
    Some(match curve.get(*calm) {
        None => format!("{head}, the highest rate measured; no other setting does better."),
        Some(next) if next.is_sustained() => format!(
            "{head}; at {} it is {} ms: the knee is between. No other setting does better.",
            rate(next),
            ms(next.p99_ms)
        ),
        Some(next) => format!(
            "{head}; {} were too much: the knee is between. No other setting does better.",
            rate(next)
        ),
    })
}

/// From which batch.size on more is not better.
fn batch_size(group: &Group) -> Option<String> {
    let closed: Vec<_> = group
        .cells
        .iter()
        .filter(|it| it.target_rate.is_none())
        .collect();
    let mut sizes: Vec<f64> = closed.iter().map(|cell| cell.batch_size()).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    let most = |size: f64| {
        let same = closed.iter().filter(|cell| cell.batch_size() == size);
        same.map(|cell| cell.records_per_s).max_by(f64::total_cmp)
    };
    let rates: Vec<_> = sizes
        .iter()
        .filter_map(|size| Some((*size, most(*size)?)))
        .collect();
    let (smallest, largest) = (rates.first()?, rates.last().filter(|_| 1 < rates.len())?);
    let best = rates.iter().map(|it| it.1).max_by(f64::total_cmp)?;
    let enough = rates.iter().find(|it| best <= it.1 * GAIN_MIN)?;
    let all: Vec<_> = rates
        .iter()
        .map(|(size, rate)| format!("{} with {size}", count(*rate)))
        .collect();
    let all = all.join(", ");
    Some(if enough.0 == largest.0 {
        format!(
            "As fast as possible, a larger batch.size pays up to the largest, {}: {all} \
             records/s.",
            largest.0
        )
    } else if enough.0 == smallest.0 {
        format!(
            "As fast as possible, batch.size beyond {} gains nothing: {all} records/s.",
            enough.0
        )
    } else {
        format!(
            "As fast as possible, batch.size pays up to {} and gains nothing beyond: {all} \
             records/s.",
            enough.0
        )
    })
}

/// What batching saves at the busiest rate that the smallest batches keep.
fn cpu(group: &Group) -> Option<String> {
    let rates = group.by_rate();
    let rates = rates.iter().rev().filter_map(|cells| {
        let sustained: Vec<_> = cells
            .iter()
            .copied()
            .filter(|it| it.is_sustained())
            .collect();
        let smallest = *sustained
            .iter()
            .min_by(|a, b| a.batch_bytes().total_cmp(&b.batch_bytes()))?;
        let has_shortest = cells
            .iter()
            .all(|it| smallest.linger_ms() <= it.linger_ms());
        (has_shortest && 1 < sustained.len()).then_some((smallest, sustained))
    });
    let (smallest, cells) = rates.into_iter().next()?;
    let cheapest = cells
        .iter()
        .copied()
        .min_by(|a, b| a.cpu_s_per_gb().total_cmp(&b.cpu_s_per_gb()))?;
    let whose = if smallest.broker_cores.is_some() {
        "broker and client"
    } else {
        "the client"
    };
    let rate = count(smallest.target_rate?);
    if smallest.cpu_s_per_gb() <= cheapest.cpu_s_per_gb() * EQUAL {
        return Some(format!(
            "At {rate} records/s batching saves {whose} less than a tenth of their CPU."
        ));
    }
    Some(format!(
        "At {rate} records/s batching saves {:.0} % of the CPU of {whose}: {:.1} s/GB with {} \
         ({:.0} bytes per batch), {:.1} s/GB with {} ({:.0} bytes per batch).",
        100.0 * (1.0 - cheapest.cpu_s_per_gb() / smallest.cpu_s_per_gb()),
        smallest.cpu_s_per_gb(),
        smallest.settings(),
        smallest.batch_bytes(),
        cheapest.cpu_s_per_gb(),
        cheapest.settings(),
        cheapest.batch_bytes()
    ))
}

fn count(value: f64) -> String {
    format!("{value:.0}")
}

fn ms(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.0}")
    }
}

fn sentence_case(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|it| it.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests;
