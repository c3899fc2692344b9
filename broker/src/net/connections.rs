//! The connections of a core: closes those that are idle, and all when the broker stops.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::Duration;

use rustix::net::Shutdown;
use tokio::net::TcpStream;

use super::connection::Activity;
use crate::server::Broker;

/// A connection is closed when this many sweeps found it idle.
const IDLE_SWEEPS_MAX: u32 = 4;

/// The connections of a core that are open, and some that were.
#[derive(Clone, Default)]
pub(super) struct Connections(Rc<RefCell<Vec<Known>>>);

/// A connection that was opened.
struct Known {
    /// Gone when it has ended.
    stream: Weak<TcpStream>,
    activity: Rc<Activity>,
}

impl Connections {
    pub(super) fn add(&self, stream: &Rc<TcpStream>, activity: &Rc<Activity>) {
        self.0.borrow_mut().push(Known {
            stream: Rc::downgrade(stream),
            activity: Rc::clone(activity),
        });
    }

    /// Closes connections over which nothing came for `idle_max` (`connections.max.idle.ms`), give
    /// or take a sweep.
    pub(super) async fn sweep_idle(&self, broker: &Broker, idle_max: Duration) {
        let interval = (idle_max / IDLE_SWEEPS_MAX).max(Duration::from_millis(10));
        let mut ticks = tokio::time::interval(interval);
        loop {
            ticks.tick().await;
            self.0.borrow_mut().retain(|Known { stream, activity }| {
                let Some(stream) = stream.upgrade() else {
                    return false;
                };
                let idle_sweeps = activity.idle_sweeps.get() + 1;
                activity.idle_sweeps.set(idle_sweeps);
                if idle_sweeps <= IDLE_SWEEPS_MAX || activity.in_flight.get() != 0 {
                    return true;
                }
                broker.metrics.connections_idle_closed.increment();
                shut_down(&stream, Shutdown::Both);
                false
            });
        }
    }

    /// Closes every connection, in the middle of whatever it does.
    pub(super) fn close_all(&self) {
        for known in self.0.borrow().iter() {
            if let Some(stream) = known.stream.upgrade() {
                shut_down(&stream, Shutdown::Both);
            }
        }
    }

    /// Ends every connection as soon as it has answered what was read from it; returns when all
    /// have ended. Nothing more is read.
    pub(super) async fn drain(&self) {
        for known in self.0.borrow().iter() {
            known.activity.is_ending.set(true);
            // Whoever waits for a request hears of it.
            if let Some(stream) = known.stream.upgrade() {
                shut_down(&stream, Shutdown::Read);
            }
        }
        let mut ticks = tokio::time::interval(Duration::from_millis(1));
        loop {
            let has_ended = |known: &Known| known.stream.strong_count() == 0;
            if self.0.borrow().iter().all(has_ended) {
                return;
            }
            ticks.tick().await;
        }
    }
}

fn shut_down(stream: &TcpStream, how: Shutdown) {
    if let Err(error) = rustix::net::shutdown(stream, how) {
        tracing::debug!(%error, "connection already closed");
    }
}
