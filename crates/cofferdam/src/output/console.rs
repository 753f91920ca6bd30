//! stdout and stderr of the process.

use std::cell::Cell;
use std::io::{IsTerminal, Write};

use serde::Serialize;

use super::envelope::Envelope;
use crate::args::Common;
use crate::args::common::{Output, Progress};

/// Where a command writes.
#[derive(Debug)]
pub(crate) struct Console {
    output: Output,
    color: anstream::ColorChoice,
    progress: Progress,
    quiet: bool,
    verbose: u8,
    shown: Cell<bool>,
    lost: Cell<bool>,
}

impl Console {
    /// The console that the flags ask for.
    pub(crate) fn new(common: &Common) -> Self {
        Self {
            output: common.output,
            color: common.color.into(),
            progress: common.progress,
            quiet: common.quiet,
            verbose: common.verbose,
            shown: Cell::new(false),
            lost: Cell::new(false),
        }
    }

    /// Writes a result: the document for `-o json|yaml`, else the text.
    pub(crate) fn show<T: Serialize>(&self, kind: &str, body: &T, text: impl FnOnce(&T) -> String) {
        self.shown.set(true);
        match self.output {
            Output::Table | Output::Wide | Output::Name | Output::Csv => self.result(&text(body)),
            Output::Json | Output::Yaml => self.document(kind, body),
        }
    }

    /// Writes text to stdout, with a line end if it has none.
    pub(crate) fn result(&self, text: &str) {
        let mut stdout = anstream::AutoStream::new(std::io::stdout(), self.color);
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        self.written(stdout.write_all(format!("{text}{end}").as_bytes()).and_then(|()| stdout.flush()));
    }

    /// Writes bytes to stdout as they are.
    pub(crate) fn bytes(&self, bytes: &[u8]) {
        let mut stdout = std::io::stdout();
        self.written(stdout.write_all(bytes).and_then(|()| stdout.flush()));
    }

    /// Writes the document, as JSON where the flags do not ask for YAML.
    pub(crate) fn document<T: Serialize>(&self, kind: &str, body: &T) {
        let envelope = Envelope::new(kind, body);
        let text = match self.output {
            Output::Yaml => envelope.yaml(),
            Output::Table | Output::Wide | Output::Name | Output::Csv | Output::Json => envelope.json(),
        };
        self.result(&text);
    }

    /// Writes a line to stderr, unless `--quiet`.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            self.complain(text);
        }
    }

    /// Writes a line to stderr, whatever the flags.
    pub(crate) fn complain(&self, text: &str) {
        let mut stderr = anstream::AutoStream::new(std::io::stderr(), self.color);
        // When stderr is gone there is nobody left to tell.
        let _ = writeln!(stderr, "{}", super::mask::text(text.trim_end_matches('\n')));
    }

    /// Writes a question to stderr, without a line end.
    pub(crate) fn ask(&self, text: &str) {
        let mut stderr = std::io::stderr();
        let _ = write!(stderr, "{text} ").and_then(|()| stderr.flush());
    }

    /// The result is a document, not a text.
    pub(crate) fn wants_document(&self) -> bool {
        matches!(self.output, Output::Json | Output::Yaml)
    }

    /// A result was written. A document is written once: an error that comes after it goes to stderr.
    pub(crate) fn shown(&self) -> bool {
        self.shown.get()
    }

    /// `-v` was given so many times.
    pub(crate) fn verbose(&self) -> u8 {
        self.verbose
    }

    /// Which progress to write, `auto` decided.
    pub(crate) fn progress(&self) -> Progress {
        match self.progress {
            Progress::Auto if self.quiet => Progress::None,
            Progress::Auto if std::io::stderr().is_terminal() => Progress::Bar,
            Progress::Auto => Progress::Plain,
            chosen => chosen,
        }
    }

    /// When to colour.
    pub(crate) fn color(&self) -> anstream::ColorChoice {
        self.color
    }

    /// A result could not be written for another reason than that its reader has gone (a full disk).
    pub(crate) fn lost(&self) -> bool {
        self.lost.get()
    }

    fn written(&self, outcome: std::io::Result<()>) {
        // `cofferdam status | head -1` closes the pipe early: that is no failure, and above all no reason to
        // end a run half-way.
        if let Err(error) = outcome
            && error.kind() != std::io::ErrorKind::BrokenPipe
            && !self.lost.replace(true)
        {
            self.complain(&format!("the result could not be written: {error}"));
        }
    }
}
