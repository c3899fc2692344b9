//! What a check found broken: the invariant and the evidence.

use std::any::Any;
use std::fmt;

/// The rules that are checked; L1 to L7 are the crate's invariants, see its documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The order of the offsets.
    L1,
    /// Segments in order, one of them active.
    L2,
    /// Indices follow from the log.
    L3,
    /// Stored bytes are the bytes that were sent, at their offsets, and no others.
    L4,
    /// What was acknowledged is there.
    L5,
    /// A failed write or sync is final.
    L6,
    /// A buffer belongs to the operation until its completion.
    L7,
    /// The producers' state follows from the batches.
    Producers,
    /// Aborted transactions follow from the batches.
    Transactions,
    /// Leader epochs follow from the batches.
    Epochs,
    /// Compaction keeps the latest of each key, and what it dropped does not come back.
    Compaction,
    /// Every log that was created and not deleted opens again, and no other.
    Logs,
    /// An operation failed or panicked without a reason.
    Operation,
}

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Which rule.
    pub rule: Rule,
    /// What was found and what was expected.
    pub detail: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} is broken: {}", self.rule, self.detail)
    }
}

impl Breach {
    pub(crate) fn new(rule: Rule, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { rule, detail }
    }

    /// A panic; the engine's asserts name their invariant.
    pub(crate) fn of_panic(panic: &(dyn Any + Send)) -> Self {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("a panic without a message");
        let named = [
            ("(L1)", Rule::L1),
            ("(L2)", Rule::L2),
            ("(L3)", Rule::L3),
            ("(L4)", Rule::L4),
            ("(L5)", Rule::L5),
            ("(L6)", Rule::L6),
            ("(L7)", Rule::L7),
        ];
        let rule = named.iter().find(|(name, _)| text.contains(name));
        let rule = rule.map_or(Rule::Operation, |(_, rule)| *rule);
        Self::new(rule, format!("panic: {text}"))
    }
}

/// The result of a check.
pub(crate) type Checked<T = ()> = Result<T, Breach>;

/// Fails with `detail` unless `holds`.
pub(crate) fn check(rule: Rule, holds: bool, detail: impl FnOnce() -> String) -> Checked {
    if holds {
        Ok(())
    } else {
        Err(Breach::new(rule, detail()))
    }
}
