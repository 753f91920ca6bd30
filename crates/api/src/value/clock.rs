//! A window of the day.

use jiff::civil::Time;

use super::{Malformed, text};

text! {
    /// A part of each day, in UTC.
    Window, "a window of the day",
    pattern: "^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$", longest: 11,
    write: "write HH:MM-HH:MM in UTC, with an end that is not the beginning",
    examples: ["22:00-04:00", "01:30-02:00"]
}

/// A window as it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowOfDay {
    /// From, UTC.
    pub from: Time,
    /// Until, UTC. It may lie before `from`: then midnight is inside.
    pub until: Time,
}

impl Window {
    /// What it means.
    ///
    /// # Errors
    /// The text is not a window, or ends where it begins.
    pub fn parse(&self) -> Result<WindowOfDay, Malformed> {
        let read = || {
            let (from, until) = self.0.split_once('-')?;
            let window = WindowOfDay { from: time(from)?, until: time(until)? };
            (window.from != window.until).then_some(window)
        };
        read().ok_or_else(|| self.malformed())
    }
}

impl WindowOfDay {
    /// Whether a time lies inside. The end is outside.
    pub fn holds(self, now: Time) -> bool {
        match self.from < self.until {
            true => self.from <= now && now < self.until,
            false => self.from <= now || now < self.until,
        }
    }
}

fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| match text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse::<i8>().ok(),
        false => None,
    };
    Time::new(number(hour)?, number(minute)?, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::super::tests::agrees;
    use super::*;

    #[test]
    fn windows_are_read() {
        for (text, fine) in [
            ("22:00-04:00", true),
            ("00:00-23:59", true),
            ("24:00-04:00", false),
            ("22:60-04:00", false),
            ("2:00-04:00", false),
            ("22:00", false),
            ("22:00 - 04:00", false),
            ("+2:00-04:00", false),
            ("", false),
        ] {
            assert_eq!(Window::from(text).parse().is_ok(), fine, "{text}");
            agrees(Window::FORM, text, fine);
        }
        // A rule of the schema says this one.
        assert!(Window::from("04:00-04:00").parse().is_err());
    }

    #[test]
    fn a_window_may_hold_midnight() {
        let at = |text: &str| time(text).unwrap();
        for (window, now, inside) in [
            ("22:00-04:00", "22:00", true),
            ("22:00-04:00", "00:00", true),
            ("22:00-04:00", "03:59", true),
            ("22:00-04:00", "04:00", false),
            ("22:00-04:00", "12:00", false),
            ("01:30-02:00", "01:30", true),
            ("01:30-02:00", "02:00", false),
            ("01:30-02:00", "01:29", false),
        ] {
            assert_eq!(Window::from(window).parse().unwrap().holds(at(now)), inside, "{window} {now}");
        }
    }
}
