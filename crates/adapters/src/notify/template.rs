//! Messages from templates: those built in, and those that a team writes in their place.
//!
//! A value is never read as a template, and what a template prints is written as its place needs it. One that asks for
//! too much, or names what is not there, is refused when it is read, with an event to try it on.

use cofferdam_core::{Notice, Phase, notice::Told, plan::Intent};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};

/// So many steps a template may take: a hundred messages' worth.
const FUEL: u64 = 50_000;
/// The longest message, in characters.
const LONGEST: usize = 8_000;
/// The longest cause in a message, in characters.
const CAUSE: usize = 1_500;

/// How values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writing {
    /// As they are.
    Plain,
    /// As Slack wants it: `<` begins a link, or calls everybody in the channel.
    Slack,
}

/// A template that was tried.
#[derive(Debug, Clone)]
pub(super) struct Template {
    text: String,
    writing: Writing,
}

impl Template {
    /// A team's own, or the one built in.
    ///
    /// # Errors
    /// What is wrong with a team's own.
    pub(super) fn of(own: Option<&str>, built_in: &str, writing: Writing) -> Result<Self, String> {
        let template = Self { text: own.unwrap_or(built_in).to_owned(), writing };
        for kind in Told::ALL {
            template.render(&example(kind)).map_err(|why| format!("the template cannot be used: {why}"))?;
        }
        Ok(template)
    }

    /// The message of an event.
    ///
    /// # Errors
    /// What the template does not know of this event.
    pub(super) fn render(&self, notice: &Notice) -> Result<String, String> {
        let mut environment = Environment::new();
        environment.set_fuel(Some(FUEL));
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|why| why.to_string())?);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        if self.writing == Writing::Slack {
            environment.set_formatter(|out, _, value| {
                if value.is_none() || value.is_undefined() {
                    return Ok(());
                }
                let text = value.to_string().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                out.write_str(&text).map_err(Into::into)
            });
        }
        let cut = Notice { why: notice.why.as_deref().map(|why| cut(why, CAUSE)), ..notice.clone() };
        let rendered = environment.render_str(&self.text, Serde(&cut)).map_err(|why| {
            let line = why.line().map(|line| format!(" (line {line})")).unwrap_or_default();
            format!("{}{line}", why.detail().map_or_else(|| why.kind().to_string(), str::to_owned))
        })?;
        Ok(cut_text(rendered))
    }
}

fn cut_text(text: String) -> String {
    if text.chars().count() <= LONGEST { text } else { cut(&text, LONGEST) }
}

/// At most so many characters.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        text.to_owned()
    } else {
        text.chars().take(most).chain(['…']).collect()
    }
}

/// An event that never was.
pub(super) fn example(kind: Told) -> Notice {
    Notice {
        id: "00000000-0000-0000-0000-000000000000/1".into(),
        kind,
        title: format!("shop: 1.0 {}", kind.word()),
        database: "shop".into(),
        run: Default::default(),
        seq: 1,
        at: "2026-01-01T00:00:00Z".into(),
        who: "alice@host".into(),
        environment: None,
        key: "1.0".into(),
        description: "an example".into(),
        intent: Intent::Apply,
        strategy: "direct".into(),
        digest: "sha256:00".into(),
        phase: Phase::Expanding,
        why: None,
        next: None,
        hash: "00".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hostile() -> Notice {
        Notice {
            title: "<!channel> {{ 7 * 7 }} & <https://evil|click>".into(),
            description: "{% for i in range(9) %}x{% endfor %}".into(),
            why: Some("y".repeat(100_000)),
            ..example(Told::Failed)
        }
    }

    #[test]
    fn a_value_is_no_template_and_calls_nobody() {
        let text = "{{ title }} / {{ description }}";
        let slack = Template::of(Some(text), "", Writing::Slack).unwrap().render(&hostile()).unwrap();
        assert_eq!(
            slack,
            "&lt;!channel&gt; {{ 7 * 7 }} &amp; &lt;https://evil|click&gt; / {% for i in range(9) %}x{% endfor %}"
        );
        let plain = Template::of(Some("{{ why }}"), "", Writing::Plain).unwrap().render(&hostile()).unwrap();
        assert_eq!(plain.chars().count(), CAUSE + 1);
    }

    #[test]
    fn a_template_that_cannot_be_used_is_refused_before_it_is_needed() {
        for text in [
            "{{ titel }}",
            "{{ title",
            "{% for i in range(9000) %}{% for j in range(9000) %}{% endfor %}{% endfor %}",
            "{% include '/etc/passwd' %}",
            "{{ title | nothing }}",
        ] {
            assert!(Template::of(Some(text), "", Writing::Plain).is_err(), "{text}");
        }
    }
}
