//! `cargo xtask stress`: the stress harness of `tests/stress` for as long as one likes.

use crate::Outcome;
use crate::machine::{cargo, stream};
use crate::{setup, test};

/// Runs it.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let asked = Asked::read(arguments)?;
    setup::prepare();
    let mut command = cargo();
    command
        .args(["test", "--package", "cofferdam", "--features", test::FEATURES, "--test", "stress"])
        .args(["--", "--exact", "stories::any_story_ends_well", "--nocapture"])
        .env("CARGO_TARGET_DIR", test::target_dir())
        .env("COFFERDAM_STRESS_MINUTES", asked.minutes.to_string())
        .env("COFFERDAM_STRESS_SEED", asked.seed.to_string())
        .env("COFFERDAM_STRESS_FROM", asked.from.to_string());
    stream(&mut command)
}

/// What was typed.
#[derive(Debug, PartialEq)]
struct Asked {
    minutes: u64,
    seed: u64,
    /// The number of the first story: that of a failed one repeats it.
    from: u64,
}

impl Asked {
    fn read(arguments: &[String]) -> Result<Self, String> {
        let mut asked = Self { minutes: 10, seed: 1, from: 0 };
        let mut rest = arguments.iter();
        while let Some(flag) = rest.next() {
            let place = match flag.as_str() {
                "--minutes" => &mut asked.minutes,
                "--seed" => &mut asked.seed,
                "--from" => &mut asked.from,
                other => return Err(format!("does not take `{other}`")),
            };
            let value = rest.next().ok_or_else(|| format!("{flag} needs a number"))?;
            *place = value.parse().map_err(|_| format!("{flag} {value} is no number"))?;
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_numbers() {
        let read = |text: &str| Asked::read(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(read(""), Ok(Asked { minutes: 10, seed: 1, from: 0 }));
        assert_eq!(read("--seed 7 --minutes 60 --from 3"), Ok(Asked { minutes: 60, seed: 7, from: 3 }));
        for wrong in ["--minutes", "--minutes soon", "--hours 1", "5"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
