//! What the demonstration tells on stderr while it goes on.

use crate::context::Context;
use crate::output::Console;

/// Tells.
#[derive(Debug)]
pub(super) struct Story<'a> {
    console: &'a Console,
    /// How many parts there are.
    parts: u32,
}

impl<'a> Story<'a> {
    /// Of so many parts, on the console of a command; `--quiet` silences it.
    pub(super) fn new(context: &'a Context, parts: u32) -> Self {
        Self { console: &context.console, parts }
    }

    /// A part, by its number.
    pub(super) fn part(&self, number: u32, text: &str) {
        self.console.note(&format!("{number}/{} {text}", self.parts));
    }

    /// More about the part.
    pub(super) fn line(&self, text: &str) {
        self.console.note(&format!("    {text}"));
    }

    /// What a command said.
    pub(super) fn said(&self, line: &str) {
        self.console.note(&format!("    | {line}"));
    }
}

/// `41 233`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1_000, "1 000"), (41_233, "41 233"), (1_234_567, "1 234 567")]
        {
            assert_eq!(grouped(number), text);
        }
    }
}
