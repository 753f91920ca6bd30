//! Who acted, from where, and for which environment: the text in every row of the journal, and its parts.

use serde::Serialize;

/// The parts of `alice@host (github 4812) [prod]`. What is not there is `None`; a text of another form, such as
/// that of the runner in its Job, is an actor as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Who {
    /// The account, or the object that a runner works for.
    pub actor: String,
    /// The machine.
    pub host: Option<String>,
    /// The pipeline, where there was one.
    pub pipeline: Option<String>,
    /// The environment of cofferdam.yaml, where one was chosen.
    pub environment: Option<String>,
}

impl Who {
    /// Takes the text apart.
    pub fn parse(text: &str) -> Self {
        let (rest, environment) = bracketed(text, " [", ']');
        let (rest, pipeline) = bracketed(rest, " (", ')');
        let (actor, host) = match rest.rsplit_once('@') {
            Some((actor, host)) if !actor.is_empty() && !host.is_empty() => (actor, Some(host.to_owned())),
            _ => (rest, None),
        };
        Self {
            actor: actor.to_owned(),
            host,
            pipeline: pipeline.map(str::to_owned),
            environment: environment.map(str::to_owned),
        }
    }
}

/// The text before a bracket at the end, and what is in it.
fn bracketed<'a>(text: &'a str, open: &str, close: char) -> (&'a str, Option<&'a str>) {
    let inner = text.strip_suffix(close).and_then(|text| text.split_once(open));
    inner.map_or((text, None), |(before, inside)| (before, Some(inside)))
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.actor)?;
        if let Some(host) = &self.host {
            write!(f, "@{host}")?;
        }
        if let Some(pipeline) = &self.pipeline {
            write!(f, " ({pipeline})")?;
        }
        if let Some(environment) = &self.environment {
            write!(f, " [{environment}]")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "alice@host (github 4812) [prod]",
            "alice@host [prod]",
            "alice@host (ci)",
            "alice@host",
            "uid 65532@pod",
            "cofferdam runner shop/orders",
            "a@b@host [x (y)]",
            "",
        ] {
            assert_eq!(Who::parse(text).to_string(), text);
        }
        let who = Who::parse("alice@host (github 4812) [prod]");
        assert_eq!((who.actor.as_str(), who.host.as_deref()), ("alice", Some("host")));
        assert_eq!(who.pipeline.as_deref(), Some("github 4812"));
        assert_eq!(who.environment.as_deref(), Some("prod"));
        assert_eq!(Who::parse("cofferdam runner shop/orders").environment, None);
    }
}
