//! Only the binary prints: a library that prints cannot be used by an operator, or with `-o json`.

use super::source::{Source, has_word};
use super::{Check, House};

pub(super) static CHECK: Check = Check {
    name: "printing",
    about: "only crates/cofferdam and xtask print",
    problems: |house: &House| Ok(house.sources.iter().flat_map(problems).collect()),
};

const MACROS: &[&str] = &["println!", "print!", "eprintln!", "eprint!", "dbg!"];

const MAY_PRINT: &[&str] = &["crates/cofferdam/", "xtask/"];

fn problems(source: &Source) -> Vec<String> {
    let allowed = MAY_PRINT.iter().any(|folder| source.path.starts_with(folder));
    source
        .production()
        .flat_map(|(number, line)| {
            let found = MACROS.iter().filter(move |name| has_word(line, name));
            // Nobody leaves a dbg! in on purpose.
            found.filter(move |name| !allowed || **name == "dbg!").map(move |name| (number, name))
        })
        .map(|(number, name)| format!("{}:{number}: {name} (report it to the caller instead)", source.path))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printing_outside_the_binary_is_found() {
        let cases = [
            ("crates/core/src/a.rs", "fn f() { println!(\"x\") }", 1),
            ("crates/core/src/a.rs", "/// println!(\"x\")\nfn f() { \"println!(\" }", 0),
            ("crates/core/src/a.rs", "#[cfg(test)]\nmod tests {\n    println!(\"x\");\n}\n", 0),
            ("crates/core/tests/a.rs", "fn f() { println!(\"x\") }", 0),
            ("crates/cofferdam/src/a.rs", "fn f() { println!(\"x\") }", 0),
            ("crates/cofferdam/src/a.rs", "fn f() { dbg!(1) }", 1),
            ("crates/runner/src/a.rs", "fn f() { eprint!(\"x\") }", 1),
        ];
        for (path, text, count) in cases {
            assert_eq!(problems(&Source::new(path, text)).len(), count, "{path}: {text}");
        }
    }
}
