//! Progress on stderr: a bar, lines, JSON objects, or nothing.

mod bar;
mod json;
pub(crate) mod plain;

use std::io::Write;
use std::sync::Arc;

use cofferdam_runner::{SharedReporter, Silent};

use super::{Console, mask};
use crate::args::common::Progress as Mode;

/// Where lines of progress go. Called from within the run, so it must neither fail nor wait.
pub(crate) type Sink = Box<dyn Fn(&str) + Send + Sync>;

/// The progress of one command.
pub(crate) struct Progress {
    reporter: SharedReporter,
    bar: Option<indicatif::ProgressBar>,
}

impl Progress {
    /// As the flags ask for it.
    pub(crate) fn new(console: &Console) -> Self {
        let verbose = console.verbose();
        let none = |reporter: SharedReporter| Self { reporter, bar: None };
        match console.progress() {
            Mode::None => none(Arc::new(Silent)),
            Mode::Json => none(Arc::new(json::Json::new(stderr(console.color())))),
            Mode::Auto | Mode::Plain => none(Arc::new(plain::Plain::new(stderr(console.color()), verbose))),
            Mode::Bar => {
                let bar = bar::Bar::new(console.color(), verbose);
                Self { bar: Some(bar.handle()), reporter: Arc::new(bar) }
            }
        }
    }

    /// Who is to be told.
    pub(crate) fn reporter(&self) -> SharedReporter {
        Arc::clone(&self.reporter)
    }

    /// Takes the bar off the screen, so that what follows stands alone.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn stderr(color: anstream::ColorChoice) -> Sink {
    Box::new(move |line| {
        let mut stderr = anstream::AutoStream::new(std::io::stderr(), color);
        // A run does not end because nobody reads its progress any more.
        let _ = writeln!(stderr, "{}", mask::text(line));
    })
}
