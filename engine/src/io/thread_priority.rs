//! Gives a background thread less of the CPU than the threads that serve clients. Called by the
//! log cleaner's threads when they begin.

use std::io;

/// A tenth of the weight of a common thread. The largest value, a seventieth, would keep a cleaner
/// on a saturated machine from ever catching up.
const BACKGROUND_NICE: libc::c_int = 10;

/// Lowers the priority of the calling thread for good: the batch scheduling class, in which waking
/// up preempts nobody, and a low weight. Not the idle class: a busy machine would never let
/// the thread run, and logs would grow without end.
///
/// # Errors
/// As the operating system says; the thread runs as before then.
pub(crate) fn lower_thread_priority() -> io::Result<()> {
    let param = libc::sched_param { sched_priority: 0 };
    // SAFETY: 0 names the calling thread; the pointer is to a live struct that is only read.
    let scheduled = unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const param) };
    if scheduled != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call takes no pointers; on Linux 0 names the calling thread, not the process.
    let reniced = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, BACKGROUND_NICE) };
    if reniced == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
