//! The layers of options, the strongest first.

use std::collections::BTreeMap;

use cofferdam_core::{Code, Refusal};

use super::known::{Take, known};

/// A value and where it comes from, for messages.
struct Setting {
    value: String,
    from: String,
}

/// What is set so far. What is set first stays: the layers are added from the strongest to the weakest.
#[derive(Default)]
pub(super) struct Settings {
    values: BTreeMap<&'static str, Setting>,
    pub(super) warnings: Vec<String>,
}

impl Settings {
    /// Adds a layer; within it later values replace earlier ones.
    pub(super) fn layer(&mut self, pairs: Vec<(String, String)>, from: &str) -> Result<(), Box<Refusal>> {
        let mut layer = BTreeMap::new();
        for (name, value) in pairs {
            let known = known(&name).map_err(|r| Box::new(r.note(format!("it stands in {from}"))))?;
            layer.insert(known.name, value);
        }
        for (name, value) in layer {
            self.add(name, value, from)?;
        }
        Ok(())
    }

    pub(super) fn add(&mut self, name: &'static str, value: String, from: &str) -> Result<(), Box<Refusal>> {
        let refuse = |what: String, why: &str| {
            Err(Box::new(Refusal::new(Code::BadUrl, what).cause(why).note(format!("it stands in {from}"))))
        };
        if value.contains('\0') {
            return refuse(format!("the value of {name} has a NUL byte in it"), "PostgreSQL takes none");
        }
        match known(name)?.take {
            Take::Used => {
                self.values.entry(name).or_insert(Setting { value, from: from.to_owned() });
                Ok(())
            }
            Take::Fixed(instead) => {
                self.warnings.push(format!("{name} in {from} has no effect: {instead}"));
                Ok(())
            }
            Take::Only(values) if value.is_empty() || values.contains(&value.as_str()) => Ok(()),
            Take::Only(values) => refuse(
                format!("{name}={value} is not supported"),
                &format!("only {} can be had", values.join(", ")),
            ),
            Take::Refused(why) => refuse(format!("the option {name} is not supported"), why),
        }
    }

    /// The value; one that is empty counts as not there, as in libpq.
    pub(super) fn get(&self, name: &'static str) -> Option<&str> {
        self.values.get(name).map(|s| s.value.as_str()).filter(|v| !v.is_empty())
    }

    /// Where a value comes from: `the URL`, `PGSSLMODE`.
    pub(super) fn origin(&self, name: &'static str) -> &str {
        self.values.get(name).map_or("nothing", |s| &s.from)
    }

    /// The value is not shown: what stands at a port's place may be the rest of a password.
    pub(super) fn wrong(&self, name: &'static str, expected: &str) -> Refusal {
        let refusal = Refusal::new(Code::BadUrl, format!("the value of {name} is not understood"))
            .cause(format!("expected {expected}"));
        match self.values.get(name) {
            Some(setting) => refusal.note(format!("it stands in {}", setting.from)),
            None => refusal,
        }
    }

    /// The one of a few words that is set.
    pub(super) fn choice<T: Copy>(
        &self,
        name: &'static str,
        choices: &[(&str, T)],
        default: T,
    ) -> Result<T, Box<Refusal>> {
        let Some(value) = self.get(name) else { return Ok(default) };
        choices.iter().find(|(word, _)| *word == value).map(|(_, choice)| *choice).ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            self.wrong(name, &format!("one of {}", words.join(", "))).into()
        })
    }
}
