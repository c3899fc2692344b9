//! Which of several predicted settings to take for a goal, and why. Pure.

use super::prediction::Prediction;

/// A side that is busier than this has no room for bursts.
const UTILISATION_MAX: f64 = 0.7;
/// Predictions of latency have to be so much better than the goal: they are not exact.
const MARGIN: f64 = 1.25;
/// Settings that take so many times the CPU of the cheapest count as equally cheap.
const EQUAL_CORES: f64 = 1.1;
/// And so do those that take so much more of a core: that is not worth any wait.
const EQUAL_CORES_MORE: f64 = 0.05;

/// The setting to take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Recommendation {
    pub(super) prediction: Prediction,
    pub(super) verdict: Verdict,
}

/// What can be said of a recommendation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It keeps the goal and leaves room.
    Good,
    /// It keeps the goal, but a side is busy most of its time.
    Crowded,
    /// None keeps the goal; this comes closest.
    Late,
    /// The load is too much with every setting.
    Overloaded,
}

/// Of the settings that keep p99 within the goal and leave room, those that take the least CPU, and
/// of these the one with the least p99. Without any, what comes closest. Nothing of nothing.
pub(super) fn recommend(all: &[Prediction], p99_ms: f64) -> Option<Recommendation> {
    let keeping = |it: &&Prediction| !it.is_overloaded && it.p99_ms * MARGIN <= p99_ms;
    let has_room = |it: &&Prediction| it.utilisation <= UTILISATION_MAX;
    let good: Vec<_> = all.iter().filter(keeping).filter(has_room).collect();
    if let Some(prediction) = cheapest(&good) {
        return Some(Recommendation {
            prediction,
            verdict: Verdict::Good,
        });
    }
    let crowded: Vec<_> = all.iter().filter(keeping).collect();
    if let Some(prediction) = cheapest(&crowded) {
        return Some(Recommendation {
            prediction,
            verdict: Verdict::Crowded,
        });
    }
    let fitting = all.iter().filter(|it| !it.is_overloaded);
    let quickest = fitting.min_by(|a, b| a.p99_ms.total_cmp(&b.p99_ms));
    if let Some(prediction) = quickest {
        return Some(Recommendation {
            prediction: *prediction,
            verdict: Verdict::Late,
        });
    }
    let lightest = all
        .iter()
        .min_by(|a, b| a.utilisation.total_cmp(&b.utilisation));
    lightest.map(|prediction| Recommendation {
        prediction: *prediction,
        verdict: Verdict::Overloaded,
    })
}

fn cheapest(all: &[&Prediction]) -> Option<Prediction> {
    let least = all.iter().map(|it| it.cores).min_by(f64::total_cmp)?;
    let most = (least * EQUAL_CORES).max(least + EQUAL_CORES_MORE);
    let cheap = all.iter().filter(|it| it.cores <= most);
    let key = |it: &Prediction| (it.p99_ms, it.linger_ms, it.batch_size);
    let best = cheap.min_by(|a, b| {
        let order = key(a).partial_cmp(&key(b));
        order.unwrap_or(std::cmp::Ordering::Equal)
    });
    best.map(|it| **it)
}

impl Recommendation {
    /// The properties to set.
    pub(super) fn settings(&self) -> [(&'static str, String); 2] {
        let it = &self.prediction;
        [
            ("linger.ms", it.linger_ms.to_string()),
            ("batch.size", it.batch_size.to_string()),
        ]
    }

    /// Why, for people.
    pub(super) fn reason(&self, all: &[Prediction], p99_ms: f64) -> String {
        let it = &self.prediction;
        let side = if it.is_broker_busier {
            "broker"
        } else {
            "client"
        };
        let busy = format!(
            "the {side} is busy for {:.0} % of its time",
            it.utilisation * 100.0
        );
        match self.verdict {
            Verdict::Overloaded => "No setting makes this load fit: it needs more brokers or \
                                    producers, larger records, or fewer of them."
                .to_owned(),
            Verdict::Late => format!(
                "No setting keeps p99 within {p99_ms} ms with some margin; this one comes \
                 closest: {busy}."
            ),
            Verdict::Crowded => format!(
                "It keeps the goal, but {busy}: there is little room for bursts with any setting \
                 that keeps it."
            ),
            Verdict::Good => self.comparison(all, &busy),
        }
    }

    fn comparison(&self, all: &[Prediction], busy: &str) -> String {
        let it = &self.prediction;
        let shortest = all.iter().min_by(|a, b| {
            let key = |it: &Prediction| (it.linger_ms, it.p99_ms);
            key(a)
                .partial_cmp(&key(b))
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        let Some(shortest) = shortest.filter(|other| other.linger_ms < it.linger_ms) else {
            return format!(
                "Waiting would save less than a tenth of the CPU or a twentieth of a core, and \
                 only add itself to the latency: {busy} as it is."
            );
        };
        let saved = 100.0 * (1.0 - it.cores / shortest.cores);
        if shortest.is_overloaded {
            return format!(
                "With linger.ms {} the load would be too much; so {busy}.",
                shortest.linger_ms
            );
        }
        format!(
            "Compared with linger.ms {}, {saved:.0} % of the CPU is saved, and p99 is {:.1} ms \
             instead of {:.1} ms; {busy}.",
            shortest.linger_ms, it.p99_ms, shortest.p99_ms
        )
    }
}

/// A table of what was looked at: for each linger.ms the batch.size with the least p99.
pub(super) fn table(all: &[Prediction], chosen: &Prediction) -> Vec<String> {
    let mut lines =
        vec!["linger.ms  batch.size  bytes/batch  requests/s  utilisation   p99 ms".to_owned()];
    for same in all.chunk_by(|a, b| a.linger_ms == b.linger_ms) {
        let own = same.iter().find(|it| *it == chosen);
        let best = same.iter().min_by(|a, b| a.p99_ms.total_cmp(&b.p99_ms));
        let Some(it) = own.or(best) else { continue };
        lines.push(format!(
            "{:>9}  {:>10}  {:>11.0}  {:>10.0}  {:>10.0} %  {:>7.2}{}{}",
            it.linger_ms,
            it.batch_size,
            it.batch_bytes,
            it.requests_per_s,
            it.utilisation * 100.0,
            it.p99_ms,
            if it.is_overloaded { " too much" } else { "" },
            if own.is_some() { " <-" } else { "" },
        ));
    }
    lines
}

#[cfg(test)]
mod tests;
