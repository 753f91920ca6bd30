//! `cargo xtask bench`: how fast and how small the release is, beside the peers and in the same run.
//!
//! A bench measures and prints; it never fails for a number. What a number should be stands in its `goal:` lines.

mod apply;
mod guard;
mod lint;
mod measure;
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

/// A bench.
struct Bench {
    name: &'static str,
    run: fn(&Asked) -> Result<Value, String>,
}

/// Every bench.
static BENCHES: &[Bench] = &[
    Bench { name: "apply", run: apply::run },
    Bench { name: lint::NAME, run: lint::run },
    Bench { name: "memory", run: memory::run },
    Bench { name: online::NAME, run: online::run },
    Bench { name: guard::NAME, run: guard::run },
    Bench { name: operator::NAME, run: operator::run },
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
    /// How many objects rest in the cluster.
    objects: Option<usize>,
    /// Where all results go, as JSON; they are printed, too.
    json: Option<PathBuf>,
}

const RUNS: usize = 5;

impl Asked {
    fn read(arguments: &[String]) -> Result<Self, String> {
        let mut asked =
            Self { names: Vec::new(), runs: RUNS, rows: None, cutovers: None, objects: None, json: None };
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
                "--objects" => {
                    let number = arguments.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
                    asked.objects = Some(number.ok_or("--objects takes a number from 1")?);
                }
                "--json" => asked.json = Some(arguments.next().ok_or("--json takes a file")?.into()),
                name if BENCHES.iter().any(|bench| bench.name == name)
                    || lint::knows(name)
                    || online::knows(name)
                    || guard::knows(name)
                    || operator::knows(name) =>
                {
                    asked.names.push(name.to_owned());
                }
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
        let result = (bench.run)(&asked).map_err(|why| format!("{}: {why}", bench.name))?;
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
            objects: None,
            json: Some("x.json".into()),
        };
        assert_eq!(some, expected);
        assert!(some.wants("lint") && !some.wants("apply"));
        let part = read(&["online/whole", "--rows", "100000", "--cutovers", "3"]).unwrap();
        assert!(part.wants("online") && !part.wants("memory"));
        assert_eq!((part.rows, part.cutovers), (Some(100_000), Some(3)));
        let objects = read(&["operator/idle", "--objects", "50"]).unwrap();
        assert!(objects.wants("operator") && objects.objects == Some(50));
        for bad in
            [&["--runs"][..], &["--runs", "0"], &["--runs", "x"], &["--json"], &["speed"], &["online/x"]]
        {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        let live = read(&["lint/live"]).unwrap();
        assert!(live.wants("lint") && !live.wants("online") && read(&["lint/dead"]).is_err());
        assert!(read(&["--rows", "10"]).is_err() && read(&["--cutovers", "0"]).is_err());
    }
}
