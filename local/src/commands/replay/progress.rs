//! The progress of a run: a live line on a terminal, otherwise a line every two seconds if the
//! progress has changed.

use std::io::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::answer::Run;
use super::render::counts;

const LIVE_EVERY: Duration = Duration::from_millis(300);
const TURN_EVERY: Duration = Duration::from_millis(100);
const LINES_EVERY: Duration = Duration::from_secs(2);

/// The output for progress.
pub enum Progress {
    /// A live line on standard error, which is a terminal.
    Live,
    /// As lines of text.
    Lines(Box<dyn Write + Send>),
}

/// A running progress display. Dropping it ends the display.
pub(super) enum Display {
    Live(ProgressBar),
    Lines { out: Box<dyn Write + Send>, last: String },
}

impl Progress {
    pub(super) fn start(self) -> Display {
        match self {
            Self::Live => {
                let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
                let bar = ProgressBar::new_spinner();
                let bar =
                    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
                bar.enable_steady_tick(TURN_EVERY);
                bar.set_message("replaying");
                Display::Live(bar)
            }
            Self::Lines(out) => Display::Lines { out, last: String::new() },
        }
    }
}

impl Display {
    /// The interval between updates.
    pub(super) fn every(&self) -> Duration {
        match self {
            Self::Live(_) => LIVE_EVERY,
            Self::Lines { .. } => LINES_EVERY,
        }
    }

    pub(super) fn show(&mut self, run: &Run) {
        let text = line(run);
        match self {
            Self::Live(bar) => bar.set_message(text),
            Self::Lines { last, .. } if *last == text => {}
            Self::Lines { out, last } => {
                // A failed write of progress must not fail the run.
                let _ = writeln!(out, "{text}").and_then(|()| out.flush());
                *last = text;
            }
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        match self {
            Self::Live(bar) => bar.finish_and_clear(),
            Self::Lines { .. } => {}
        }
    }
}

fn line(run: &Run) -> String {
    let examined = format!("{}: {} examined", run.replay_id, run.examined);
    if run.outcomes.is_empty() {
        examined
    } else {
        format!("{examined}, {}", counts(&run.outcomes))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::json;

    use super::super::answer::tests::run;
    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_only_when_something_has_changed() {
        let out = Shared::default();
        let mut display = Progress::Lines(Box::new(out.clone())).start();
        let beginning = run(json!({ "examined": 0, "outcomes": {} }));
        for run in [&beginning, &beginning, &run(json!({})), &run(json!({}))] {
            display.show(run);
        }
        let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text, "0190: 0 examined\n0190: 5 examined, 3 applied, 2 unknown_tenant\n");
    }
}
