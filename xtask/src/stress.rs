//! `cargo xtask stress`: stories of `tests/stress`, or of `tests/mysql/online`, for as long as one likes.

use crate::Outcome;
use crate::machine::{cargo, stream};
use crate::{setup, test};

/// Runs it.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let asked = Asked::read(arguments)?;
    setup::prepare();
    let mut command = cargo();
    command
        .args(["test", "--package", "cofferdam", "--features", test::FEATURES, "--test", asked.engine.suite])
        .args(["--", "--exact", asked.engine.story, "--nocapture"])
        .env("CARGO_TARGET_DIR", test::target_dir())
        .env("COFFERDAM_STRESS_MINUTES", asked.minutes.to_string())
        .env("COFFERDAM_STRESS_SEED", asked.seed.to_string())
        .env("COFFERDAM_STRESS_FROM", asked.from.to_string());
    stream(&mut command)
}

/// Where the stories of an engine are.
#[derive(Debug, PartialEq)]
struct Told {
    engine: &'static str,
    suite: &'static str,
    story: &'static str,
}

static ENGINES: &[Told] = &[
    Told { engine: "postgresql", suite: "stress", story: "stories::any_story_ends_well" },
    Told { engine: "mysql", suite: "mysql", story: "online::stories::mysql::any_story_ends_well" },
    Told { engine: "mariadb", suite: "mysql", story: "online::stories::mariadb::any_story_ends_well" },
];

/// What was typed.
#[derive(Debug, PartialEq)]
struct Asked {
    engine: &'static Told,
    minutes: u64,
    seed: u64,
    /// The number of the first story: that of a failed one repeats it.
    from: u64,
}

impl Asked {
    fn read(arguments: &[String]) -> Result<Self, String> {
        let mut asked = Self { engine: &ENGINES[0], minutes: 10, seed: 1, from: 0 };
        let mut rest = arguments.iter();
        while let Some(flag) = rest.next() {
            if flag == "--engine" {
                let known = || ENGINES.iter().map(|told| told.engine).collect::<Vec<_>>().join(", ");
                let said = rest.next().map_or("", String::as_str);
                let found = ENGINES.iter().find(|told| told.engine == said);
                asked.engine = found.ok_or_else(|| format!("--engine takes one of {}", known()))?;
                continue;
            }
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
        let [postgresql, _, mariadb] = ENGINES else { panic!("there are others") };
        assert_eq!(read(""), Ok(Asked { engine: postgresql, minutes: 10, seed: 1, from: 0 }));
        assert_eq!(
            read("--seed 7 --minutes 60 --engine mariadb --from 3"),
            Ok(Asked { engine: mariadb, minutes: 60, seed: 7, from: 3 })
        );
        for wrong in ["--minutes", "--minutes soon", "--hours 1", "5", "--engine", "--engine oracle"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
