//! Where a tool writes to, and in which form.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, Options};

/// Where a tool writes to. Standard output is buffered; the frame flushes it at the end, a tool
/// whose lines are watched as they come flushes by itself.
pub struct Context {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    arguments: Vec<String>,
    is_json: bool,
    is_out_terminal: bool,
    is_err_terminal: bool,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("is_json", &self.is_json)
            .finish_non_exhaustive()
    }
}

impl Context {
    /// The process's own streams.
    #[must_use]
    pub fn of_process() -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        Self {
            is_out_terminal: out.is_terminal(),
            is_err_terminal: err.is_terminal(),
            out: Box::new(BufWriter::new(out)),
            err: Box::new(err),
            arguments: Vec::new(),
            is_json: false,
        }
    }

    /// Other streams, none of them a terminal.
    #[must_use]
    pub fn new(out: Box<dyn Write>, err: Box<dyn Write>) -> Self {
        Self {
            out,
            err,
            arguments: Vec::new(),
            is_json: false,
            is_out_terminal: false,
            is_err_terminal: false,
        }
    }

    /// Takes the form of output from `--output`.
    pub(super) fn set_output(&mut self, options: &Options<'_>) {
        self.is_json = options.text("output") == Some("json");
    }

    pub(super) fn set_arguments(&mut self, arguments: &[String]) {
        self.arguments = arguments.to_vec();
    }

    /// The tool's arguments as they were given.
    #[must_use]
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// Whether one JSON document is wanted instead of text.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.is_json
    }

    /// Whether standard output is a terminal, so that colours and escapes are in place.
    #[must_use]
    pub fn is_out_terminal(&self) -> bool {
        self.is_out_terminal
    }

    /// Standard output.
    pub fn out(&mut self) -> &mut dyn Write {
        &mut *self.out
    }

    /// A line to standard output.
    ///
    /// # Errors
    /// Nobody reads it any more, or it cannot be written.
    pub fn line(&mut self, text: impl Display) -> Result<(), Failure> {
        Ok(writeln!(self.out, "{text}")?)
    }

    /// A line to standard error. That it cannot be written is not worth an end.
    pub fn warn(&mut self, text: impl Display) {
        drop(self.out.flush());
        drop(writeln!(self.err, "{text}"));
    }

    /// A JSON document to standard output, in a line of its own.
    ///
    /// # Errors
    /// See [`Context::line`].
    pub fn json(&mut self, document: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.out, document).map_err(io::Error::from)?;
        Ok(writeln!(self.out)?)
    }

    /// Gives what is buffered to the reader.
    ///
    /// # Errors
    /// See [`Context::line`].
    pub fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.out.flush()?)
    }

    /// A bar on standard error for work of `len` steps, which goes when it is dropped. It shows on
    /// a terminal only, and not between lines of output on one: `is_silent` says that there are
    /// none as long as the work goes on.
    #[must_use]
    pub fn progress(&self, len: u64, what: &'static str, is_silent: bool) -> ProgressBar {
        let target = if self.is_err_terminal && (is_silent || !self.is_out_terminal) {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(len), target).with_message(what);
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
        let bar = bar.with_finish(ProgressFinish::AndClear);
        match style {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        }
    }
}

/// Runs a future on a runtime of this thread.
///
/// # Errors
/// The runtime cannot be made, or what the future fails with.
pub fn run_async<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    block_on(&mut tokio::runtime::Builder::new_current_thread(), future)
}

/// Runs a future on this thread, and what it spawns on another one: for tools whose speed counts.
///
/// # Errors
/// See [`run_async`].
pub fn run_on_two<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    block_on(builder.worker_threads(1), future)
}

fn block_on<T>(
    builder: &mut tokio::runtime::Builder,
    future: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let runtime = builder.enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::Message(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(future)
}

/// Waits until the process is asked to end; the exit code is the shell's for that signal.
///
/// A signal that cannot be waited for never comes: it ends the process then, as it would anyway.
pub async fn stopped() -> u8 {
    let signalled = async |kind: SignalKind| match signal(kind) {
        Ok(mut signals) => signals.recv().await,
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        _ = signalled(SignalKind::interrupt()) => 130,
        _ = signalled(SignalKind::terminate()) => 143,
    }
}
