//! What long work shows: bars on a terminal, plain lines elsewhere.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};

/// How often plain lines repeat that a step still runs.
const STILL_RUNNING: Duration = Duration::from_secs(5);

/// Where progress goes.
#[derive(Debug)]
pub struct Progress(Sink);

#[derive(Debug)]
enum Sink {
    Bars(MultiProgress),
    Lines,
    Nothing,
}

impl Progress {
    /// Bars where standard error is a terminal, plain lines where it is not.
    #[must_use]
    pub fn to_stderr() -> Self {
        if io::stderr().is_terminal() {
            Self(Sink::Bars(MultiProgress::new()))
        } else {
            Self(Sink::Lines)
        }
    }

    /// Plain lines in any case: where something else draws on the same terminal, bars would be torn.
    #[must_use]
    pub const fn lines() -> Self {
        Self(Sink::Lines)
    }

    /// Shows nothing.
    #[must_use]
    pub const fn silent() -> Self {
        Self(Sink::Nothing)
    }

    /// Starts a step that shows until it is done or dropped.
    pub(crate) fn start(&self, what: impl Into<String>) -> Step<'_> {
        let what = what.into();
        let bar = match &self.0 {
            Sink::Bars(bars) => {
                let bar = bars.add(ProgressBar::new_spinner());
                bar.set_style(style("{spinner} {msg} {elapsed}"));
                bar.set_message(what.clone());
                bar.enable_steady_tick(Duration::from_millis(100));
                Some(bar)
            }
            Sink::Lines => {
                line(&format!("{what} …"));
                None
            }
            Sink::Nothing => None,
        };
        let started = Instant::now();
        Step {
            sink: &self.0,
            what,
            bar,
            started,
            shown: Mutex::new(started),
        }
    }
}

/// One piece of long work.
pub(crate) struct Step<'a> {
    sink: &'a Sink,
    what: String,
    bar: Option<ProgressBar>,
    started: Instant,
    shown: Mutex<Instant>,
}

impl Step<'_> {
    /// So many bytes of so many are there.
    pub(crate) fn bytes(&self, done: u64, total: u64) {
        if let Some(bar) = &self.bar {
            bar.set_style(style("{spinner} {msg} [{bar:30}] {bytes}/{total_bytes} {elapsed}"));
            bar.set_length(total);
            bar.set_position(done.min(total));
        }
        if let (Sink::Lines, Ok(mut shown)) = (self.sink, self.shown.lock())
            && shown.elapsed() >= STILL_RUNNING
        {
            *shown = Instant::now();
            let (done, total) = (HumanBytes(done), HumanBytes(total));
            line(&format!("{} … {done} of {total}", self.what));
        }
    }

    /// The step has ended well; `note` says what came of it.
    pub(crate) fn done(self, note: &str) {
        let text = format!("{}: {note}", self.what);
        let elapsed = self.started.elapsed();
        if let Some(bar) = &self.bar {
            bar.set_style(style("✓ {msg}"));
            bar.finish_with_message(format!("{text} ({elapsed:.1?})"));
        }
        if matches!(self.sink, Sink::Lines) {
            line(&format!("{text} ({elapsed:.1?})"));
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// Writes a line to standard error. Progress that nobody can read is no reason to stop the work.
pub(crate) fn line(text: &str) {
    let mut stderr = io::stderr();
    // Another program's bar may stand on the terminal's current line.
    let clear = if stderr.is_terminal() { "\r\x1b[2K" } else { "" };
    writeln!(stderr, "{clear}{text}").ok();
}
