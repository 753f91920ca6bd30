//! Progress as a bar at the foot of a terminal, with the lines of [`Plain`] above it.

use cofferdam_engines::Tick;
use cofferdam_runner::{News, Reporter};
use indicatif::{ProgressBar, ProgressStyle};

use super::plain::Plain;

/// A bar over the steps of all runs.
pub(super) struct Bar {
    bar: ProgressBar,
    lines: Plain,
}

impl Bar {
    /// A bar that shows itself when the first news comes.
    pub(super) fn new(color: anstream::ColorChoice, verbose: u8) -> Self {
        let bar = ProgressBar::no_length();
        // Both templates are constants and well-formed; were one not, the bar would have its default look.
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len}  {wide_msg}") {
            bar.set_style(style.progress_chars("━╸─"));
        }
        let above = bar.clone();
        let stderr = super::stderr(color);
        let sink = move |line: &str| above.suspend(|| stderr(line));
        Self { bar, lines: Plain::new(Box::new(sink), verbose) }
    }

    /// The bar itself, to take it off the screen.
    pub(super) fn handle(&self) -> ProgressBar {
        self.bar.clone()
    }
}

impl Reporter for Bar {
    fn tell(&self, news: &News<'_>) {
        self.lines.tell(news);
        match news {
            News::Planned { steps, .. } => self.bar.set_length(*steps as u64),
            News::StepBegan { title, .. } => self.bar.set_message((*title).to_owned()),
            News::StepEnded { .. } => self.bar.inc(1),
            News::Tick(Tick::Progress { doing, done, total }) if *total > 0 => {
                self.bar.set_message(format!("{doing} {:.0} %", 100.0 * *done as f64 / *total as f64));
            }
            _ => {}
        }
    }
}
