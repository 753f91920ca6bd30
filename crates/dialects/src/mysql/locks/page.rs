//! The table as a page of the documentation.

use super::{Class, Flavour, OPERATIONS, Row};

/// The page in Markdown.
pub fn page() -> String {
    let mut out = String::from(
        "<!-- Printed by a test of `cofferdam-dialects`; never edited. -->\n\n# What a statement takes on MySQL and MariaDB\n\n\
         For each clause: the lightest algorithm and lock that the server takes, and whether it writes the whole table anew. \
         From a version on what stands behind it holds; without a version, for all that are supported (MySQL 8.0 to 9, \
         MariaDB 10.6 to 11). A statement is as heavy as the heaviest of its clauses. Each also waits for the metadata lock at \
         its beginning and its end, for which everybody waits behind the oldest transaction that used the table.\n\n\
         What is marked with * was seen on a server (MySQL 9.7.4, MariaDB 10.11.19 and 11.8.9), all else is from the manuals of both. So \
         Cofferdam asks for the algorithm and the lock by name wherever nobody is to be kept out: a server that cannot do it \
         refuses, and blocks nothing.\n\n| clause | MySQL | MariaDB |\n|---|---|---|\n",
    );
    for row in OPERATIONS {
        let clause = clause(row.example);
        out += &format!("| {clause} | {} | {} |\n", cell(row, Flavour::MySql), cell(row, Flavour::MariaDb));
    }
    out
}

/// The SQL of an example as code, and what must be so for it as prose.
fn clause(example: &str) -> String {
    if example.starts_with(|c: char| c.is_ascii_lowercase()) {
        return example.to_owned();
    }
    let at = [", which was ", ", of ", ", with "].iter().filter_map(|begin| example.find(begin)).min();
    let (sql, prose) = example.split_at(at.unwrap_or(example.len()));
    format!("`{sql}`{prose}")
}

fn cell(row: &Row, flavour: Flavour) -> String {
    let lines: Vec<String> = row
        .since
        .iter()
        .filter(|since| since.flavour == flavour)
        .map(|since| {
            let seen = if matches!(since.source, "measured" | "release") { "*" } else { "" };
            let from = match since.version {
                80_000 | 100_600 => String::new(),
                version => format!("{}: ", version_text(version)),
            };
            format!("{from}{}{seen}", words(since.class, flavour))
        })
        .collect();
    if lines.is_empty() { "not known to it".to_owned() } else { lines.join("; ") }
}

/// `INPLACE, NONE, rebuild`.
fn words(class: Class, flavour: Flavour) -> String {
    let rebuild = if class.rebuilds { ", rebuild" } else { "" };
    format!("{}, {}{rebuild}", class.algorithm.word(flavour), class.lock.word())
}

/// 80029 is `8.0.29`.
fn version_text(version: u32) -> String {
    format!("{}.{}.{}", version / 10_000, version / 100 % 100, version % 100)
}
