//! What holds for any text: nothing is lost, nothing is cut in two, nothing panics.

use cofferdam_core::Script;
use cofferdam_dialects::Piece;
use cofferdam_dialects::mysql::{self, Flavour};
use proptest::prelude::*;

fn split(text: &str) -> Option<Vec<Piece>> {
    mysql::split(&Script::new("x.sql", text)).ok()
}

fn texts(pieces: &[Piece]) -> Vec<&str> {
    pieces.iter().map(|p| p.text.as_str()).collect()
}

/// A token, or a comment with its line end, that holds what would end a statement elsewhere.
fn part() -> impl Strategy<Value = String> {
    let trap = prop::collection::vec(
        prop::sample::select(vec![
            ";", "//", "--", "#", "/*", "''", "``", "\"\"", "(", ")", "a", " ", "\n", "end", "é", "\\\\",
            "\\'", "$$",
        ]),
        0..6,
    )
    .prop_map(|v| v.concat());
    let plain = || trap.clone();
    prop_oneof![
        prop::sample::select(vec![
            "a",
            "b$c",
            "1",
            "2fa",
            "+",
            ",",
            ".",
            "case",
            "begin",
            "as",
            "t1.x",
            "é",
            "@x",
            "@@global.y",
            "\\N",
            "a--b"
        ])
        .prop_map(str::to_owned),
        plain().prop_map(|t| format!("'{t}'")),
        plain().prop_map(|t| format!("\"{}\"", t.replace('"', "\"\""))),
        plain().prop_map(|t| format!("`{}`", t.replace('`', "``"))),
        plain().prop_map(|t| format!("/* ' {} */", t.replace(['/', '*'], "."))),
        plain().prop_map(|t| format!("/*+ ' {} */", t.replace(['/', '*'], "."))),
        plain().prop_map(|t| format!("-- ' {}\n", t.replace('\n', ";"))),
        plain().prop_map(|t| format!("# \" {}\n", t.replace('\n', ";"))),
        plain().prop_map(|t| format!("/*!40101 '{}' */", t.replace(['/', '*'], "."))),
    ]
}

fn statement() -> impl Strategy<Value = String> {
    prop::collection::vec(part(), 0..8).prop_map(|parts| format!("SELECT {} z", parts.join(" ")))
}

/// Text out of the bytes that mean something to the splitter, without a DELIMITER.
fn noise() -> impl Strategy<Value = String> {
    let atoms = vec![
        "'",
        "\"",
        "`",
        ";",
        "-",
        "--",
        "#",
        "/",
        "*",
        "/*",
        "/*!",
        "/*!40101 ",
        "/*M!",
        "*/",
        "(",
        ")",
        "\\",
        "\\N",
        "\n",
        "\r",
        "\t",
        " ",
        "a",
        "1",
        "_",
        "é",
        ".",
        "@",
        "create ",
        "procedure ",
        "trigger ",
        "begin ",
        "case ",
        "end ",
        "if ",
        "set ",
        "sql_mode",
        "='ansi_quotes'",
        "no_backslash_escapes",
        "use ",
        "\u{2028}",
    ];
    prop::collection::vec(prop::sample::select(atoms), 0..40).prop_map(|v| v.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn statements_are_never_cut(statements in prop::collection::vec(statement(), 0..6)) {
        let pieces = split(&statements.join(";\n")).expect("it is complete");
        prop_assert_eq!(texts(&pieces), statements);
    }

    #[test]
    fn nor_under_other_delimiters(
        statements in prop::collection::vec((statement(), prop::sample::select(vec!["@@@", "$end$", "|", "~~"])), 0..6),
    ) {
        let fits = |(statement, delimiter): &(String, &str)| !statement.contains(delimiter);
        let statements: Vec<_> = statements.into_iter().filter(|one| fits(one)).collect();
        let script: String = statements
            .iter()
            .map(|(statement, delimiter)| format!("  delimiter {delimiter}  \n{statement}{delimiter}\n"))
            .collect();
        let pieces = split(&script).expect("it is complete");
        let expected: Vec<&str> = statements.iter().map(|(statement, _)| statement.as_str()).collect();
        prop_assert_eq!(texts(&pieces), expected);
    }

    #[test]
    fn pieces_and_the_gaps_between_them_are_the_script(text in noise()) {
        if let Some(pieces) = split(&text) {
            let (mut joined, mut end) = (String::new(), 0);
            for piece in &pieces {
                joined += &text[end..piece.at.start];
                joined += &piece.text;
                end = piece.at.end;
                prop_assert_eq!(&text[piece.at.start..end], &piece.text);
                prop_assert!(!piece.text.is_empty() && piece.text.trim_ascii() == piece.text);
            }
            joined += &text[end..];
            prop_assert_eq!(joined, text);
        }
    }

    #[test]
    fn gaps_hold_no_statement(text in noise()) {
        for pair in split(&text).unwrap_or_default().windows(2) {
            prop_assert_eq!(split(&text[pair[0].at.end..pair[1].at.start]), Some(Vec::new()));
        }
    }

    #[test]
    fn splitting_again_changes_nothing(text in noise()) {
        let pieces = split(&text).unwrap_or_default();
        let joined: String = texts(&pieces).iter().map(|text| format!("{text};\n")).collect();
        let again = split(&joined).expect("its parts are complete");
        prop_assert_eq!(texts(&again), texts(&pieces));
    }

    #[test]
    fn places_are_those_that_a_person_counts(text in noise()) {
        for piece in split(&text).unwrap_or_default() {
            let before = text[..piece.at.start].replace("\r\n", "\n").replace('\r', "\n");
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            prop_assert_eq!((piece.at.line, piece.at.column), (line, column));
        }
    }

    #[test]
    fn nothing_panics(text in any::<String>(), noise in noise()) {
        for text in [text, noise] {
            let script = Script::new("x.sql", text.as_str());
            let _ = mysql::read_mysql(&script);
            let _ = mysql::read_mariadb(&script);
            let _ = mysql::clauses(&text, Flavour::MySql);
            let _ = mysql::assignments(&text, Flavour::MariaDb);
        }
    }

    #[test]
    fn damaged_statements_do_not_panic(at in 0usize..80_000, cut in 0usize..30, insert in noise()) {
        let all = include_str!("statements/create_table.sql").to_owned() + include_str!("statements/object.sql")
            + include_str!("statements/alter_table.sql") + include_str!("statements/data.sql")
            + include_str!("statements/mariadb_alter_table.sql");
        let lines: Vec<&str> = all.lines().collect();
        let line = lines[at % lines.len()];
        let boundary = |mut i: usize| { while !line.is_char_boundary(i) { i -= 1 } i };
        let start = boundary(at / 7 % (line.len() + 1));
        let end = boundary((start + cut).min(line.len()));
        let damaged = format!("{}{insert}{}", &line[..start], &line[end.max(start)..]);
        let script = Script::new("x.sql", damaged.as_str());
        for flavour in [Flavour::MySql, Flavour::MariaDb] {
            let read = if flavour == Flavour::MySql { mysql::read_mysql } else { mysql::read_mariadb };
            for change in read(&script).map(|p| p.changes).unwrap_or_default() {
                let places = mysql::clauses(&change.text, flavour).unwrap_or_default();
                prop_assert!(places.iter().all(|p| change.text.get(p.clone()).is_some()));
                let server = mysql::locks::Server::of(flavour, None);
                let _ = mysql::locks::effect(&change, None, server);
                let _ = mysql::locks::asked_by_name(&change, None, server);
            }
        }
    }
}
