//! The campaign for logs that are compacted and moved: two keyed logs on a machine with two or
//! three log dirs, with rounds of the cleaner and moves, and power cuts, failed operations and
//! kills at any of their operations. The rules for what has to be there are other than those of
//! plain logs, so the ledger and the machine are, too. Used by tests and `crash_soak`.

mod ledger;
mod machine;
mod steps;

use super::breach::{Breach, Checked, Rule};
use super::campaign::{Failure, Plan, Progress, repeatable};
use super::machine::Stop;
use crate::io::Fault;
use machine::KeyedMachine;

/// What happened in a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyedTally {
    /// Starts that were checked.
    pub starts: u64,
    /// Power cuts while something was under way.
    pub cuts: u64,
    /// Power cuts while the logs were opened.
    pub cuts_in_recovery: u64,
    /// EIO and ENOSPC that an operation met.
    pub faults: u64,
    /// Rounds of the cleaner.
    pub rounds: u64,
    /// Moves that came to their end.
    pub moves: u64,
    /// Records found and compared.
    pub records: u64,
    /// Records that were rightly not found.
    pub dropped_records: u64,
    /// Batches that crashes took; none of them was acknowledged.
    pub lost_batches: u64,
    /// Changing disk operations.
    pub mutations: u64,
}

impl KeyedTally {
    /// Adds what another run saw.
    pub fn add(&mut self, other: &Self) {
        self.starts += other.starts;
        self.cuts += other.cuts;
        self.cuts_in_recovery += other.cuts_in_recovery;
        self.faults += other.faults;
        self.rounds += other.rounds;
        self.moves += other.moves;
        self.records += other.records;
        self.dropped_records += other.dropped_records;
        self.lost_batches += other.lost_batches;
        self.mutations += other.mutations;
    }
}

/// Runs a seed; of the plan the first fault counts as for plain logs.
///
/// # Errors
/// What was found broken, with everything needed to repeat it.
pub fn run_keyed_seed(seed: u64, plan: Plan) -> Result<KeyedTally, Box<Failure>> {
    repeatable(seed, |progress| run(seed, plan, progress))
}

fn run(seed: u64, plan: Plan, progress: &mut Progress) -> Checked<KeyedTally> {
    let mut machine = KeyedMachine::new(seed);
    machine.start_first()?;
    let mut fault = arm(&mut machine, plan.first_fault);
    for generation in 0..plan.generations {
        progress.generation = generation;
        progress.note(format!("== generation {generation}: {fault:?} is to come"));
        machine.disk.defer_background(machine.random.chance(2));
        for step in 0..plan.steps {
            progress.step = step;
            if machine.disk.is_off() {
                break;
            }
            machine.step(progress)?;
        }
        let stop = if machine.disk.is_off() {
            machine.tally.cuts += 1;
            Stop::PowerCut
        } else {
            stop(&mut machine)?
        };
        let operations = machine.disk.mutations();
        progress.note(format!("== {stop:?} after {operations} operations"));
        machine.start_again(stop)?;
        if machine.random.chance(2) {
            // Moves that were begun before the stop.
            machine.manager().run_moves();
        }
        fault = arm(&mut machine, None);
    }
    machine.tally.mutations += machine.disk.mutations();
    Ok(machine.tally)
}

/// Chooses what goes wrong and when.
fn arm(machine: &mut KeyedMachine, given: Option<(u64, Option<Fault>)>) -> Option<(u64, Fault)> {
    let at = machine.disk.mutations() + machine.random.below(700);
    let kind = match machine.random.below(8) {
        0 => Some(Fault::Eio),
        1 => Some(Fault::Enospc),
        2 => None,
        _ => Some(Fault::PowerCut),
    };
    let (at, kind) = given.unwrap_or((at, kind));
    let kind = kind?;
    machine.disk.fail_at(at, kind);
    Some((at, kind))
}

/// Ends a generation in which the power did not go off.
fn stop(machine: &mut KeyedMachine) -> Checked<Stop> {
    let choice = machine.random.below(4);
    machine.check_faults()?;
    let has_failed = !machine.disk.met_faults().is_empty();
    if 2 <= choice {
        // After a failed sync the page cache may hold what the disk does not.
        let is_kill = choice == 2 && !has_failed;
        return Ok(if is_kill { Stop::Kill } else { Stop::PowerCut });
    }
    let result = machine.manager().shutdown();
    if machine.disk.is_off() {
        machine.tally.cuts += 1;
        return Ok(Stop::PowerCut);
    }
    match result {
        Ok(()) => Ok(Stop::Clean),
        Err(_) if !machine.disk.met_faults().is_empty() => Ok(Stop::PowerCut),
        Err(error) => Err(Breach::new(Rule::Operation, format!("shutdown: {error}"))),
    }
}

#[cfg(test)]
mod tests;
