//! What a run leaves behind: a directory of files for programs and for people.
//!
//! | file | what |
//! |---|---|
//! | `run.json` | environment, disk, and per measurement the names of the OpenMessaging benchmark |
//! | `summary.csv` | a line per measurement |
//! | `cells/NAME/periods.csv` | a line per second |
//! | `cells/NAME/*.hlog`, `*.hgrm` | histograms per second, and percentiles of all |
//! | `report.md`, `*.svg`, `report.html` | tables and charts; the HTML has all in it |

mod bars;
mod cells;
mod charts;
mod conclusions;
mod curves;
mod heat_map;
mod histograms;
mod html;
mod markdown;
mod run_json;
mod scale;
mod scatter;
mod svg;
mod tables;

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;

use super::disk::DiskBaseline;
use super::measured::Measured;
use super::ratios;
pub(crate) use scatter::scatter;
pub(crate) use svg::{Anchor, Stroke, Svg};
pub(crate) use tables::summary_line;

/// All measurements of one command.
pub(crate) struct Study {
    pub(crate) name: String,
    /// Where and when.
    pub(crate) environment: Value,
    pub(crate) disk: DiskBaseline,
    /// The broker, in words.
    pub(crate) target: String,
    pub(crate) measured: Vec<Measured>,
}

/// A chart: the name of its file without the ending, and its SVG.
struct Chart {
    name: String,
    title: String,
    svg: String,
}

/// Writes everything into `dir`, which is made.
///
/// # Errors
/// A file cannot be written.
pub(crate) fn write(study: &Study, dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir)?;
    for measured in &study.measured {
        let cell_dir = dir.join("cells").join(cell_name(measured));
        std::fs::create_dir_all(&cell_dir)?;
        put(cell_dir.join("periods.csv"), &tables::periods_csv(measured))?;
        histograms::write(measured, &cell_dir)?;
    }
    let run = run_json::of(study);
    put(dir.join("run.json"), &format!("{run:#}\n"))?;
    put(
        dir.join("summary.csv"),
        &tables::summary_csv(&study.measured),
    )?;
    let charts = charts::all(study);
    for chart in &charts {
        put(dir.join(format!("{}.svg", chart.name)), &chart.svg)?;
    }
    let results = run["results"].as_array().into_iter().flatten();
    let ratios = ratios::rows(results);
    put(
        dir.join("report.md"),
        &markdown::report(study, &ratios, &charts),
    )?;
    put(
        dir.join("report.html"),
        &html::report(study, &ratios, &charts),
    )
}

fn put(path: PathBuf, text: &str) -> anyhow::Result<()> {
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// A name for a directory.
fn cell_name(measured: &Measured) -> String {
    let name = measured.workload.name.chars();
    let name: String = name
        .map(|it| {
            if it.is_ascii_alphanumeric() || "=.%-".contains(it) {
                it
            } else {
                '_'
            }
        })
        .collect();
    format!("{name}_{}", measured.repetition)
}
