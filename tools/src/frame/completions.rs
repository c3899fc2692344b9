//! `rbk completions SHELL`: completion of subcommands and options.

use clap::Command;
use clap_complete::Shell;

use super::{Context, Failure, Tool};

/// Writes the script for `rbk`, and with `has_links` also for the names of Kafka's scripts.
pub(super) fn write(
    rbk: Command,
    tools: &[Tool],
    shell: Shell,
    has_links: bool,
    context: &mut Context,
) -> Result<(), Failure> {
    let mut script = Vec::new();
    let mut rbk = rbk;
    clap_complete::generate(shell, &mut rbk, "rbk", &mut script);
    if has_links {
        for tool in tools {
            for name in [tool.link_name(), format!("{}.sh", tool.link_name())] {
                clap_complete::generate(shell, &mut tool.command(&name), name, &mut script);
            }
        }
    }
    Ok(context.out().write_all(&script)?)
}
