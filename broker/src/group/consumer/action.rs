//! What the state machine of a consumer group wants done. The shard carries actions out in order,
//! under the same lock as the event that caused them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::record::ConsumerRecord;
use crate::group::migration::Downgrade;
use crate::group::timers::TimerKind;

/// One thing to do.
#[derive(Debug)]
pub(crate) enum Action {
    /// Write the record, in one batch with the others of the event. It is applied already.
    Append(ConsumerRecord),
    /// Fire the timer once, this long from now.
    SetTimer(TimerKind, Duration),
    /// The same, unless the timer is set already.
    SetTimerIfUnset(TimerKind, Duration),
    /// Forget the timer.
    CancelTimer(TimerKind),
    /// Find the topics that match these regular expressions, then tell the group.
    ResolveRegexes(BTreeSet<Arc<str>>),
    /// Put the classic group in the place of this one and write it down. Always the last action.
    BecomeClassic(Downgrade),
}
