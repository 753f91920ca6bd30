//! What `-- cofferdam:...` comments are understood as, and which are refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use cofferdam_core::{Code, Script};
use cofferdam_dialects::{Allow, Directives, postgres};

fn read(text: &str) -> Result<Directives, (Code, usize, usize, String)> {
    match postgres::read(&Script::new("x.sql", text)) {
        Ok(parsed) => Ok(parsed.directives),
        Err(refusal) => {
            let at = refusal.place.unwrap().at;
            assert!(refusal.help.is_some());
            Err((refusal.code, at.line, at.column, refusal.what))
        }
    }
}

fn allow(rule: &str, line: usize, whole_file: bool) -> Allow {
    Allow { rule: rule.to_owned(), reason: None, until: None, line, whole_file }
}

#[test]
fn directives_are_understood() {
    let none = Directives::default();
    let allows = |allows: Vec<Allow>| Directives { transaction_none: false, allows };
    let cases = [
        ("SELECT 1;", none.clone()),
        ("-- cofferdam is a word\n-- see cofferdam:allow\nSELECT 1;", none.clone()),
        ("SELECT '-- cofferdam:nothing', $$\n-- cofferdam:nothing\n$$;", none.clone()),
        ("-- squawk-ignore x\n-- atlas:nolint\nSELECT 1;", none),
        ("-- cofferdam:transaction none\nVACUUM;", Directives { transaction_none: true, allows: Vec::new() }),
        (
            "--cofferdam:transaction  none \r\nVACUUM;",
            Directives { transaction_none: true, allows: Vec::new() },
        ),
        (
            "/* cofferdam:transaction none */ VACUUM;",
            Directives { transaction_none: true, allows: Vec::new() },
        ),
        // Directly above its statement: for that one.
        ("-- cofferdam:allow drop-table\nDROP TABLE t;", allows(vec![allow("drop-table", 1, false)])),
        (
            "SELECT 1;\n\n-- cofferdam:allow drop-table\n\nDROP TABLE t;",
            allows(vec![allow("drop-table", 3, false)]),
        ),
        ("SELECT 1; /* cofferdam:allow a */ SELECT 2;", allows(vec![allow("a", 1, false)])),
        // The block that begins the file, and an empty line below it: for the whole file.
        ("-- cofferdam:allow drop-table\n\nDROP TABLE t;", allows(vec![allow("drop-table", 1, true)])),
        (
            "\u{feff}\n-- why\n-- cofferdam:allow a\n \t\n-- b\nDROP TABLE t;",
            allows(vec![allow("a", 3, true)]),
        ),
        (
            "-- cofferdam:allow a\r\n\r\n-- cofferdam:allow b\r\nSELECT 1;",
            allows(vec![allow("a", 1, true), allow("b", 3, false)]),
        ),
        (
            "-- cofferdam:allow a\n-- cofferdam:allow b\nSELECT 1;",
            allows(vec![allow("a", 1, false), allow("b", 2, false)]),
        ),
        ("-- cofferdam:allow a", allows(vec![allow("a", 1, true)])),
        ("SELECT 1;\n-- cofferdam:allow-file a\n", allows(vec![allow("a", 2, true)])),
        (
            "-- cofferdam:allow a reason=\"it is \\\"fine\\\"; = ok\" until=2028-02-29\nSELECT 1;",
            allows(vec![Allow {
                reason: Some("it is \"fine\"; = ok".to_owned()),
                until: Some("2028-02-29".to_owned()),
                ..allow("a", 1, false)
            }]),
        ),
        (
            "-- cofferdam:allow a until=\"2027-12-31\" reason=agreed\nSELECT 1;",
            allows(vec![Allow {
                reason: Some("agreed".to_owned()),
                until: Some("2027-12-31".to_owned()),
                ..allow("a", 1, false)
            }]),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text), Ok(expected), "{text:?}");
    }
}

#[test]
fn directives_that_would_silently_do_nothing_are_refused() {
    let cases = [
        ("SELECT 1;\n  -- cofferdam:alow a\nSELECT 2;", 2, 3, "`alow` is not a directive"),
        ("-- cofferdam:\nSELECT 2;", 1, 1, "has no word"),
        ("-- cofferdam: allow a\nSELECT 2;", 1, 1, "a space stands behind `cofferdam:`"),
        ("-- cofferdam:transaction\nSELECT 2;", 1, 1, "takes one word"),
        ("-- cofferdam:transaction off\nSELECT 2;", 1, 1, "takes one word"),
        ("-- cofferdam:transaction none please\nSELECT 2;", 1, 1, "takes one word"),
        ("SELECT 1;\n-- cofferdam:transaction none\n", 2, 1, "before its first statement"),
        ("-- cofferdam:allow\nSELECT 2;", 1, 1, "must name a rule"),
        ("-- cofferdam:allow a,b\nSELECT 2;", 1, 1, "cannot be the name of a rule"),
        ("-- cofferdam:allow a b\nSELECT 2;", 1, 1, "`b` is neither"),
        ("-- cofferdam:allow a because=x\nSELECT 2;", 1, 1, "`because` is neither"),
        ("-- cofferdam:allow a reason=\"x\nSELECT 2;", 1, 1, "not closed"),
        ("-- cofferdam:allow a reason=\"\"\nSELECT 2;", 1, 1, "not be empty"),
        ("-- cofferdam:allow a reason=x reason=y\nSELECT 2;", 1, 1, "given once"),
        ("-- cofferdam:allow a reason=\"x\"y\nSELECT 2;", 1, 1, "closing quote"),
        ("-- cofferdam:allow a reason=x\"y\"\nSELECT 2;", 1, 1, "quoted in part"),
        ("-- cofferdam:allow a until=2027-02-29\nSELECT 2;", 1, 1, "not a day"),
        ("-- cofferdam:allow a until=31.12.2027\nSELECT 2;", 1, 1, "not a day"),
        ("-- cofferdam:allow a until=2027-13-01\nSELECT 2;", 1, 1, "not a day"),
        ("SELECT 1; -- cofferdam:allow a\nSELECT 2;", 1, 11, "on a line of its own"),
        ("SELECT 1 -- cofferdam:allow a\n+ 1;", 1, 10, "on a line of its own"),
        ("SELECT 1;\n\n-- cofferdam:allow a\n", 3, 1, "no statement follows"),
        ("/*\n * cofferdam:allow a\n */\nSELECT 2;", 1, 1, "on one line"),
    ];
    for (text, line, column, what) in cases {
        let (code, at_line, at_column, said) = read(text).expect_err(text);
        assert_eq!((code, at_line, at_column), (Code::BadDirective, line, column), "{text:?}");
        assert!(said.contains(what), "{text:?}: {said}");
    }
}

#[test]
fn the_help_of_a_refusal_is_understood() {
    let refusal = postgres::read(&Script::new("x.sql", "-- cofferdam:x\nSELECT 1")).unwrap_err();
    let help = refusal.help.unwrap();
    for example in help.split('`').skip(1).step_by(2) {
        assert!(read(&format!("{example}\nSELECT 1;")).is_ok(), "{example}");
    }
}
