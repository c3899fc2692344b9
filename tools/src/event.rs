//! Events as the verifiable tools print them: a line of JSON each, time and name first.

use ringbrook_client::clock::now_ms;
use serde::Serialize;

use crate::frame::{Context, Failure};

/// Something that happened, now.
#[derive(Debug, Serialize)]
pub(crate) struct Event<T> {
    /// Milliseconds since 1970.
    timestamp: i64,
    name: &'static str,
    #[serde(flatten)]
    about: T,
}

/// Nothing more to say.
#[derive(Debug, Serialize)]
pub(crate) struct Nothing {}

impl Event<Nothing> {
    /// An event that its name says all about.
    pub(crate) fn plain(name: &'static str) -> Self {
        Self::new(name, Nothing {})
    }
}

impl<T: Serialize> Event<T> {
    /// An event, and what belongs to it.
    pub(crate) fn new(name: &'static str, about: T) -> Self {
        Self {
            timestamp: now_ms(),
            name,
            about,
        }
    }

    /// Prints the line at once.
    pub(crate) fn print(&self, context: &mut Context) -> Result<(), Failure> {
        context.json(self)?;
        context.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_name_come_first() {
        #[derive(Serialize)]
        struct About {
            a: i32,
        }
        let mut event = Event::new("it", About { a: 1 });
        event.timestamp = 7;
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(text, r#"{"timestamp":7,"name":"it","a":1}"#);
        let mut event = Event::plain("it");
        event.timestamp = 7;
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(text, r#"{"timestamp":7,"name":"it"}"#);
    }
}
