//! The storage engine without a network, on the real disk, beside what bare system calls cost.
//!
//! A *cell* is one workload with its parameters, such as `append/page-cache/64k/1p/64c`. Each cell
//! runs the engine and its *limits* in alternating rounds of the same run: loops of `pwritev`,
//! of write and sync, of `sendfile` or `pread`, and the CRC. Ratios are taken round by round. CPU
//! time is that of the whole process, io_uring's kernel workers and blocking threads included.

mod append;
mod calls;
mod cell;
mod compaction;
mod cost;
mod group_commit;
mod limits;
pub(crate) mod machine;
mod producers;
mod reads;
mod recovery;
mod rig;
mod rings;
mod table;
mod tail;

pub(crate) use cost::process_cpu;
pub(crate) use rig::raise_file_limit;

use std::path::PathBuf;

use anyhow::ensure;

use crate::report::{append_json, line};

/// How to run the cells.
#[derive(clap::Args)]
pub(crate) struct EngineArgs {
    /// Parts of the names of the cells to run; all cells when none is given (see --list)
    cells: Vec<String>,
    /// Print the names of the cells that would run, and nothing else
    #[arg(long)]
    list: bool,
    /// Few bytes and operations: shows that the benchmark works, not how fast anything is
    #[arg(long)]
    quick: bool,
    /// Rounds of each side
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Milliseconds of load per side and round, at most
    #[arg(long, default_value_t = 700)]
    round_ms: u64,
    /// MiB appended per side and round, at most
    #[arg(long, default_value_t = 256)]
    mib: u64,
    /// MiB of the logs that are read, recovered and compacted
    #[arg(long, default_value_t = 512)]
    log_mib: u64,
    /// Where the logs are kept during the run
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Append each result as a line of JSON to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Runs the cells that `args` names.
///
/// # Errors
/// The engine or a system call failed, or the engine does not hold what was appended.
pub(crate) fn run(args: &EngineArgs) -> anyhow::Result<()> {
    ensure!(0 < args.rounds, "no rounds, no figures");
    let cells = cell::all();
    let wanted: Vec<_> = cells
        .iter()
        .filter(|cell| {
            let name = cell.name();
            args.cells.is_empty() || args.cells.iter().any(|part| name.contains(part.as_str()))
        })
        .collect();
    ensure!(!wanted.is_empty(), "no cell has such a name");
    if args.list {
        wanted.iter().for_each(|cell| line(&cell.name()));
        return Ok(());
    }
    let machine = machine::describe(&args.dir);
    line(&machine.to_string());
    append_json(args.json.as_deref(), &machine)?;
    rig::raise_file_limit()?;
    let effort = cell::Effort::of(args);
    for cell in wanted {
        // On a thread of its own: threads remember how calm the disk was.
        let table = std::thread::scope(|scope| scope.spawn(|| cell.measure(&effort)).join());
        let table = table.map_err(|_| anyhow::anyhow!("a cell panicked"))??;
        line(&table.text());
        append_json(args.json.as_deref(), &table.json())?;
    }
    Ok(())
}
