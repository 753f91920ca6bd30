//! Nothing is left for later in the code: what is missing is said in the documentation or in a ticket.

use super::source::{Source, has_word};
use super::{Check, House};

pub(super) static CHECK: Check = Check {
    name: "unfinished",
    about: "nothing is left to do, no test is ignored",
    problems: |house: &House| Ok(house.sources.iter().flat_map(problems).collect()),
};

/// In code, tests included.
const IN_CODE: &[&str] = &["todo!", "unimplemented!", "#[ignore"];

/// In comments, as whole words.
const IN_COMMENTS: &[&str] = &["TODO", "FIXME", "XXX", "HACK"];

fn problems(source: &Source) -> Vec<String> {
    let code = source.code.iter().enumerate().flat_map(|(n, line)| {
        IN_CODE.iter().filter(move |word| has_word(line, word)).map(move |word| (n, *word))
    });
    let comments = source.comments.iter().enumerate().flat_map(|(n, line)| {
        let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.filter_map(|word| IN_COMMENTS.iter().find(|w| **w == word)).map(move |word| (n, *word))
    });
    code.chain(comments).map(|(n, word)| format!("{}:{}: {word}", source.path, n + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_for_later_is_found() {
        let cases = [
            ("fn f() { todo!() }", 1),
            ("fn f() { unimplemented!(\"x\") }", 1),
            ("#[test]\n#[ignore = \"slow\"]\nfn f() {}", 1),
            ("// TODO: more", 1),
            ("/// FIXME", 1),
            ("let text = \"TODO todo!()\";", 0),
            ("// TODOS are forbidden", 0),
        ];
        for (text, count) in cases {
            assert_eq!(problems(&Source::new("a.rs", text)).len(), count, "{text}");
        }
    }
}
