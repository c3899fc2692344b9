//! Runs a seed: a machine that works, fails at a chosen or random operation, and is started again
//! and checked, several times. The same seed and plan do exactly the same.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::breach::{Breach, Checked};
use super::machine::{Machine, Stop, Tally};
use crate::io::Fault;

/// What is wanted of a run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Times the machine works and stops.
    pub generations: u64,
    /// Steps each time, at most.
    pub steps: u64,
    /// What goes wrong, and at which changing operation of the first generation; otherwise the seed
    /// decides.
    pub first_fault: Option<(u64, Option<Fault>)>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            generations: 3,
            steps: 40,
            first_fault: None,
        }
    }
}

/// A run that found something broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The generation, from 0.
    pub generation: u64,
    /// The step in it, from 0.
    pub step: u64,
    /// What the machine had done, the newest last.
    pub trace: Vec<String>,
    /// What is broken.
    pub breach: Breach,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            generation,
            step,
            trace,
            breach,
        } = self;
        writeln!(
            formatter,
            "seed {seed}, generation {generation}, step {step}: {breach}"
        )?;
        for line in trace {
            writeln!(formatter, "  {line}")?;
        }
        Ok(())
    }
}

/// Where a run is.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) generation: u64,
    pub(crate) step: u64,
    pub(crate) trace: Vec<String>,
}

impl Progress {
    pub(crate) fn note(&mut self, line: String) {
        const LINES_MAX: usize = 60;
        if LINES_MAX <= self.trace.len() {
            self.trace.remove(0);
        }
        self.trace.push(line);
    }
}

/// Runs a seed.
///
/// # Errors
/// What was found broken, with everything needed to repeat it.
pub fn run_seed(seed: u64, plan: Plan) -> Result<Tally, Box<Failure>> {
    repeatable(seed, |progress| run(seed, plan, progress))
}

/// Runs a campaign; a panic of the engine, or of a check, is a breach like any other.
pub(super) fn repeatable<T>(
    seed: u64,
    run: impl FnOnce(&mut Progress) -> Checked<T>,
) -> Result<T, Box<Failure>> {
    let mut progress = Progress::default();
    let result = match catch_unwind(AssertUnwindSafe(|| run(&mut progress))) {
        Ok(result) => result,
        Err(panic) => Err(Breach::of_panic(&*panic)),
    };
    result.map_err(|breach| {
        let Progress {
            generation,
            step,
            trace,
        } = progress;
        Box::new(Failure {
            seed,
            generation,
            step,
            trace,
            breach,
        })
    })
}

/// The sync points of a seed's first generation when nothing goes wrong.
#[cfg(test)]
pub(crate) fn sync_points(seed: u64, plan: Plan) -> Vec<u64> {
    let mut machine = Machine::new(seed, dirs_of(seed));
    arm(&mut machine, plan.first_fault);
    machine.start_first().expect("nothing goes wrong");
    machine.disk.defer_background(machine.random.chance(2));
    for _ in 0..plan.steps {
        machine
            .step(&mut Progress::default())
            .expect("nothing goes wrong");
    }
    machine.disk.sync_points()
}

fn dirs_of(seed: u64) -> usize {
    1 + usize::from(seed.is_multiple_of(2)) + usize::from(seed.is_multiple_of(3))
}

fn run(seed: u64, plan: Plan, progress: &mut Progress) -> Checked<Tally> {
    let mut machine = Machine::new(seed, dirs_of(seed));
    let mut fault = arm(&mut machine, plan.first_fault);
    machine.start_first()?;
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
        progress.note(format!(
            "== {stop:?} after {} operations",
            machine.disk.mutations()
        ));
        machine.start_again(stop)?;
        fault = arm(&mut machine, None);
    }
    machine.tally.mutations += machine.disk.mutations();
    Ok(machine.tally)
}

/// Chooses what goes wrong and when.
fn arm(machine: &mut Machine, given: Option<(u64, Option<Fault>)>) -> Option<(u64, Fault)> {
    let random = &mut machine.random;
    let at = machine.disk.mutations() + random.below(300);
    let kind = match random.below(8) {
        0 => Some(Fault::Eio),
        1 => Some(Fault::Enospc),
        2 | 3 => None,
        _ => Some(Fault::PowerCut),
    };
    let (at, kind) = given.unwrap_or((at, kind));
    let kind = kind?;
    machine.disk.fail_at(at, kind);
    Some((at, kind))
}

/// Ends a generation in which the power did not go off.
fn stop(machine: &mut Machine) -> Checked<Stop> {
    let choice = machine.random.below(4);
    machine.check_faults()?;
    if choice < 2 {
        let result = machine.manager().shutdown();
        if machine.disk.is_off() {
            machine.tally.cuts += 1;
            return Ok(Stop::PowerCut);
        }
        machine.check_retries()?;
        return match result {
            Ok(()) => Ok(Stop::Clean),
            Err(_) if !machine.disk.met_faults().is_empty() => Ok(Stop::PowerCut),
            Err(error) => Err(Breach::new(
                super::breach::Rule::Operation,
                format!("shutdown: {error}"),
            )),
        };
    }
    // After a failed sync the page cache may hold what the disk does not.
    let has_failed = !machine.disk.met_faults().is_empty();
    Ok(if choice == 2 && !has_failed {
        Stop::Kill
    } else {
        Stop::PowerCut
    })
}
