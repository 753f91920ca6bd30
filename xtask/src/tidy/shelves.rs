//! Siblings stand on a shelf, one file or folder each, and a table lists them. A sibling that is not in its
//! table compiles and never runs.

use super::source::Source;
use super::{Check, House};

pub(super) static CHECK: Check = Check {
    name: "shelves",
    about: "every sibling is in its table",
    problems: |house: &House| Ok(SHELVES.iter().flat_map(|shelf| problems(shelf, &house.sources)).collect()),
};

/// A folder of siblings.
struct Shelf {
    /// The folder.
    folder: &'static str,
    /// The file with the table.
    table: &'static str,
    /// What a file has in its code if it is a sibling.
    marker: &'static str,
    /// No other files stand there: one without the marker is a mistake.
    only_siblings: bool,
    /// Siblings that are not in the table on purpose, each with the reason.
    unlisted: &'static [(&'static str, &'static str)],
}

const SHELVES: &[Shelf] = &[
    Shelf {
        folder: "crates/lint/src/rules/",
        table: "crates/lint/src/rules/mod.rs",
        marker: ": Rule =",
        only_siblings: true,
        unlisted: &[],
    },
    Shelf {
        folder: "crates/lint/src/outputs/",
        table: "crates/lint/src/outputs/mod.rs",
        marker: ": Output =",
        only_siblings: true,
        unlisted: &[],
    },
    Shelf {
        folder: "crates/formats/src/format/",
        table: "crates/formats/src/format/mod.rs",
        marker: ": Format =",
        only_siblings: true,
        unlisted: &[],
    },
    Shelf {
        folder: "crates/formats/src/history/",
        table: "crates/formats/src/history/mod.rs",
        marker: ": HistoryCodec =",
        only_siblings: true,
        unlisted: &[],
    },
    Shelf {
        folder: "crates/dialects/src/",
        table: "crates/dialects/src/lib.rs",
        marker: ": Dialect =",
        only_siblings: false,
        unlisted: &[],
    },
    Shelf {
        folder: "crates/strategies/src/",
        table: "crates/strategies/src/lib.rs",
        marker: ": Strategy =",
        only_siblings: false,
        unlisted: &[],
    },
    Shelf {
        folder: "crates/engines/src/",
        table: "crates/engines/src/lib.rs",
        marker: "impl Engine for",
        only_siblings: false,
        unlisted: &[("fake", "for tests; a URL must never lead to it")],
    },
    Shelf {
        folder: "crates/adapters/src/notify/",
        table: "crates/adapters/src/notify/mod.rs",
        marker: ": SinkKind =",
        only_siblings: false,
        unlisted: &[],
    },
    Shelf {
        folder: "crates/cofferdam/src/cli/",
        table: "crates/cofferdam/src/cli/mod.rs",
        marker: ": Command =",
        only_siblings: false,
        unlisted: &[],
    },
    Shelf {
        folder: "crates/cofferdam/src/cli/kube/",
        table: "crates/cofferdam/src/cli/kube.rs",
        marker: ": Command =",
        only_siblings: true,
        unlisted: &[],
    },
    Shelf {
        folder: "xtask/src/cluster/component/",
        table: "xtask/src/cluster/component/mod.rs",
        marker: ": Component =",
        only_siblings: true,
        unlisted: &[],
    },
];

fn problems(shelf: &Shelf, sources: &[Source]) -> Vec<String> {
    let Some(table) = sources.iter().find(|source| source.path == shelf.table) else {
        return vec![format!("{}: the table of {} is not there", shelf.table, shelf.folder)];
    };
    let mut problems = Vec::new();
    for source in sources {
        let Some(name) = sibling(shelf, &source.path) else { continue };
        if shelf.unlisted.iter().any(|(unlisted, _)| *unlisted == name) {
            continue;
        }
        let is_sibling = source.production().any(|(_, line)| line.contains(shelf.marker));
        if !is_sibling && shelf.only_siblings {
            problems.push(format!("{} has no `{}`; helpers stand elsewhere", source.path, shelf.marker));
        }
        if is_sibling && !table.code.iter().any(|line| super::source::has_word(line, &format!("{name}::"))) {
            problems.push(format!("{} is not in the table of {}", source.path, shelf.table));
        }
    }
    problems
}

/// The module's name, if the file stands on the shelf itself: `x.rs` or `x/mod.rs`.
fn sibling<'a>(shelf: &Shelf, path: &'a str) -> Option<&'a str> {
    let inside = path.strip_prefix(shelf.folder)?;
    let name = inside.strip_suffix("/mod.rs").or_else(|| inside.strip_suffix(".rs"))?;
    (!name.contains('/') && !matches!(name, "mod" | "lib" | "main" | "tests")).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHELF: Shelf = Shelf {
        folder: "r/src/rules/",
        table: "r/src/rules/mod.rs",
        marker: ": Rule =",
        only_siblings: true,
        unlisted: &[("fake", "for tests")],
    };

    #[test]
    fn a_sibling_that_the_table_lacks_is_found() {
        let table = "mod a;\nmod b;\npub static RULES: &[&Rule] = &[&a::RULE];\n";
        let rule = "pub static RULE: Rule = Rule {};";
        let cases: &[(&str, &str, usize)] = &[
            ("r/src/rules/a.rs", rule, 0),
            ("r/src/rules/b.rs", rule, 1),
            ("r/src/rules/c/mod.rs", rule, 1),
            ("r/src/rules/a.rs", "fn helper() {}", 1),
            ("r/src/rules/a/helper.rs", "fn helper() {}", 0),
            ("r/src/rules/fake.rs", rule, 0),
            ("r/src/other.rs", rule, 0),
        ];
        for (path, text, count) in cases {
            let sources = [Source::new(SHELF.table, table), Source::new(*path, text)];
            assert_eq!(problems(&SHELF, &sources).len(), *count, "{path}: {text}");
        }
    }

    #[test]
    fn a_shelf_without_its_table_is_found() {
        assert_eq!(problems(&SHELF, &[]).len(), 1);
    }
}
