//! A message with the lines of the script that it is about, as compilers show it.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use cofferdam_core::Span;

/// Wide enough for most statements; longer lines are cut around the marked part.
const WIDTH: usize = 120;

/// What a message is about, and what stands below it.
pub(crate) struct Frame<'a> {
    /// `error`, `warning`, `info`.
    pub(crate) level: Level<'static>,
    /// `CF2301`.
    pub(crate) id: &'a str,
    /// What happened.
    pub(crate) title: &'a str,
    /// The script, its text where it is at hand, and the place.
    pub(crate) place: Option<(&'a str, Option<&'a str>, Span)>,
    /// A name (`cause`, `help`) and its text, a line each.
    pub(crate) lines: Vec<(&'static str, &'a str)>,
}

impl Frame<'_> {
    /// The message with terminal colours, which whoever writes it strips where none are wanted.
    pub(crate) fn render(&self) -> String {
        let mut group =
            self.level.clone().primary_title(self.title).id(self.id).elements(Vec::<Origin<'_>>::new());
        if let Some((path, source, at)) = self.place {
            group = match source.and_then(|text| lines_of(text, at)) {
                Some(shown) => group.element(
                    Snippet::source(shown.text)
                        .line_start(shown.line)
                        .path(path)
                        .annotation(AnnotationKind::Primary.span(shown.start..shown.end)),
                ),
                None => group.element(Origin::path(path).line(at.line).char_column(at.column)),
            };
        }
        for (name, text) in &self.lines {
            let level = if *name == "help" { Level::HELP } else { Level::NOTE };
            group = group.element(level.with_name(Some(*name)).message(*text));
        }
        Renderer::styled().decor_style(DecorStyle::Unicode).term_width(WIDTH).render(&[group])
    }
}

/// The line that a span begins on, and the span within it.
struct Shown<'a> {
    text: &'a str,
    line: usize,
    start: usize,
    end: usize,
}

/// Only the line that the span begins on: a statement of forty lines is marked at its start. `None` when the
/// span does not lie in the text, which a stored script and a changed file can cause.
fn lines_of(text: &str, at: Span) -> Option<Shown<'_>> {
    let rest = text.get(at.start..)?;
    let line_start = text[..at.start].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = at.start + rest.find('\n').unwrap_or(rest.len());
    let text = text[line_start..line_end].trim_end_matches('\r');
    let start = (at.start - line_start).min(text.len());
    let mut end = at.end.saturating_sub(line_start).min(text.len()).max(start);
    while !text.is_char_boundary(end) {
        end += 1;
    }
    Some(Shown { text, line: at.line, start, end })
}
