//! `cargo xtask bench`: how fast and how small the release is, beside the peers and in the same run.
//!
//! A bench measures and prints; it never fails for a number. What a number should be stands in its `goal:` lines.

mod apply;
mod guard;
mod import;
mod lint;
mod measure;
mod measures;
mod memory;
mod online;
mod operator;
mod product;
mod report;
mod samples;
mod tools;

use std::path::PathBuf;

use serde_json::Value;

use crate::Outcome;
use measures::Measure;

/// A bench: its folder has its name where it is of several measures.
struct Bench {
    name: &'static str,
    what: What,
}

/// What it is made of.
enum What {
    /// One thing.
    One(fn(&Asked) -> Result<Value, String>),
    /// Several, each a file of the folder; the other files are `helpers`.
    Several {
        measures: &'static [Measure],
        #[cfg_attr(not(test), expect(dead_code, reason = "the test of the folder asks"))]
        helpers: &'static [&'static str],
    },
}

impl Bench {
    fn run(&self, asked: &Asked) -> Result<Value, String> {
        match self.what {
            What::One(run) => run(asked),
            What::Several { measures, .. } => measures::run(self.name, measures, asked),
        }
    }

    /// Whether this names the bench, or one of its measures.
    fn knows(&self, asked: &str) -> bool {
        let measures: &[Measure] = match self.what {
            What::One(_) => &[],
            What::Several { measures, .. } => measures,
        };
        asked == self.name || measures::knows(self.name, measures, asked)
    }
}

/// Every bench.
static BENCHES: &[Bench] = &[
    Bench { name: "apply", what: What::One(apply::run) },
    Bench { name: "lint", what: What::Several { measures: lint::MEASURES, helpers: &[] } },
    Bench { name: "memory", what: What::One(memory::run) },
    Bench { name: "online", what: What::Several { measures: online::MEASURES, helpers: online::HELPERS } },
    Bench { name: "guard", what: What::Several { measures: guard::MEASURES, helpers: guard::HELPERS } },
    Bench { name: "import", what: What::Several { measures: import::MEASURES, helpers: import::HELPERS } },
    Bench {
        name: "operator",
        what: What::Several { measures: operator::MEASURES, helpers: operator::HELPERS },
    },
];

/// What was typed.
#[derive(Debug, PartialEq)]
struct Asked {
    /// Names of benches, or of a measure of one (`online/whole`); none: all.
    names: Vec<String>,
    /// How often each thing is measured.
    runs: usize,
    /// Rows of the table that is changed online; each measure has its own usual number.
    rows: Option<u64>,
    /// How often tables are swapped online.
    cutovers: Option<usize>,
    /// Seconds for which something is looked at; each measure has its own usual number.
    seconds: Option<u64>,
    /// How many objects rest in the cluster.
    objects: Option<usize>,
    /// How many migrations another tool has applied; the usual number is small.
    files: Option<usize>,
    /// Where all results go, as JSON; they are printed, too.
    json: Option<PathBuf>,
}

const RUNS: usize = 5;

impl Asked {
    fn read(arguments: &[String]) -> Result<Self, String> {
        let mut asked = Self {
            names: Vec::new(),
            runs: RUNS,
            rows: None,
            cutovers: None,
            seconds: None,
            objects: None,
            files: None,
            json: None,
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--runs" => {
                    let number = arguments.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
                    asked.runs = number.ok_or("--runs takes a number from 1")?;
                }
                "--rows" => {
                    let number = arguments.next().and_then(|n| n.parse().ok()).filter(|n| *n >= 100_000);
                    asked.rows = Some(number.ok_or("--rows takes a number from 100000")?);
                }
                "--cutovers" => {
                    let number = arguments.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
                    asked.cutovers = Some(number.ok_or("--cutovers takes a number from 1")?);
                }
                "--seconds" => {
                    let number = arguments.next().and_then(|n| n.parse().ok()).filter(|n| *n > 4);
                    asked.seconds = Some(number.ok_or("--seconds takes a number from 5")?);
                }
                "--objects" => {
                    let number = arguments.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
                    asked.objects = Some(number.ok_or("--objects takes a number from 1")?);
                }
                "--files" => {
                    let number = arguments.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
                    asked.files = Some(number.ok_or("--files takes a number from 1")?);
                }
                "--json" => asked.json = Some(arguments.next().ok_or("--json takes a file")?.into()),
                name if BENCHES.iter().any(|bench| bench.knows(name)) => asked.names.push(name.to_owned()),
                other => {
                    let names: Vec<&str> = BENCHES.iter().map(|bench| bench.name).collect();
                    return Err(format!("does not take `{other}`; there are {}", names.join(", ")));
                }
            }
        }
        Ok(asked)
    }

    fn wants(&self, name: &str) -> bool {
        let of = |asked: &str| asked.split('/').next() == Some(name);
        self.names.is_empty() || self.names.iter().any(|asked| of(asked))
    }
}

/// Runs the benches one after the other.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let asked = Asked::read(arguments)?;
    let mut results = serde_json::Map::new();
    for bench in BENCHES.iter().filter(|bench| asked.wants(bench.name)) {
        println!("\nbench: {}", bench.name);
        let result = bench.run(&asked).map_err(|why| format!("{}: {why}", bench.name))?;
        println!("{result}");
        results.insert(bench.name.to_owned(), result);
    }
    if let Some(path) = &asked.json {
        let text = format!("{:#}\n", Value::Object(results));
        std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_names_and_flags() {
        let read =
            |arguments: &[&str]| Asked::read(&arguments.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>());
        let all = read(&[]).unwrap();
        assert!(all.runs == RUNS && BENCHES.iter().all(|bench| all.wants(bench.name)));
        let some = read(&["lint", "--runs", "9", "--json", "x.json"]).unwrap();
        let expected = Asked {
            names: vec!["lint".into()],
            runs: 9,
            rows: None,
            cutovers: None,
            seconds: None,
            objects: None,
            files: None,
            json: Some("x.json".into()),
        };
        assert_eq!(some, expected);
        assert!(some.wants("lint") && !some.wants("apply"));
        let part = read(&["online/whole", "--rows", "100000", "--cutovers", "3"]).unwrap();
        assert!(part.wants("online") && !part.wants("memory"));
        assert_eq!((part.rows, part.cutovers), (Some(100_000), Some(3)));
        assert_eq!(read(&["guard/watch", "--seconds", "30"]).unwrap().seconds, Some(30));
        let objects = read(&["operator/idle", "--objects", "50"]).unwrap();
        assert!(objects.wants("operator") && objects.objects == Some(50));
        let files = read(&["import/adopt", "--files", "5000"]).unwrap();
        assert!(files.wants("import") && files.files == Some(5_000) && read(&["import/tools"]).is_err());
        for bad in
            [&["--runs"][..], &["--runs", "0"], &["--runs", "x"], &["--json"], &["speed"], &["online/x"]]
        {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        for bad in ["online/", "whole", "online/mod", "apply/apply", "guard/whole"] {
            assert!(read(&[bad]).is_err(), "{bad}");
        }
        let live = read(&["lint/live"]).unwrap();
        assert!(live.wants("lint") && !live.wants("online") && read(&["lint/dead"]).is_err());
        assert!(read(&["--rows", "10"]).is_err() && read(&["--cutovers", "0"]).is_err());
        assert!(read(&["--seconds", "4"]).is_err());
    }
}
