//! Layers on top of each other.

use super::*;

#[test]
fn later_layers_replace_and_remove() {
    let base =
        || archive(&[directory("app/m"), file("app/m/1.sql"), file("app/m/2.sql"), file("app/m/s/3.sql")]);
    type Case<'a> = (&'a str, &'a [Vec<u8>], &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        ("nothing", &[], &["1.sql", "2.sql", "s/3.sql"]),
        ("a file is added", &[file("app/m/4.sql")], &["1.sql", "2.sql", "4.sql", "s/3.sql"]),
        ("a file is removed", &[file("app/m/.wh.2.sql")], &["1.sql", "s/3.sql"]),
        ("a directory is removed", &[file("app/m/.wh.s")], &["1.sql", "2.sql"]),
        ("a name that begins alike stays", &[file("app/m/.wh.2")], &["1.sql", "2.sql", "s/3.sql"]),
        (
            "a directory is emptied",
            &[file("app/m/s/.wh..wh..opq"), file("app/m/s/4.sql")],
            &["1.sql", "2.sql", "s/4.sql"],
        ),
        ("all is emptied from above", &[file("app/.wh..wh..opq"), file("app/m/4.sql")], &["4.sql"]),
        ("all is emptied from the root", &[file(".wh..wh..opq"), file("app/m/4.sql")], &["4.sql"]),
        ("all is removed from above", &[file("app/m/4.sql"), file(".wh.app")], &["4.sql"]),
        (
            "removed and made again, in any order",
            &[file("app/m/1.sql"), file("app/m/.wh.1.sql")],
            &["1.sql", "2.sql", "s/3.sql"],
        ),
        ("a directory becomes a file", &[file("app/m/s")], &["1.sql", "2.sql", "s"]),
        ("elsewhere", &[file("other/.wh.m"), file("app/.wh.n")], &["1.sql", "2.sql", "s/3.sql"]),
        ("a file system's own", &[file("app/m/.wh..wh.plnk/1")], &["1.sql", "2.sql", "s/3.sql"]),
    ];
    for (what, changes, expected) in cases {
        let files = read("/app/m", &[base(), archive(changes)]).unwrap();
        assert_eq!(paths(&files), *expected, "{what}");
    }
    let again = archive(&[entry("app/m/1.sql", EntryType::Regular, b"new", "")]);
    assert_eq!(read("/app/m", &[base(), again]).unwrap()[0].bytes, b"new");
}

#[test]
fn what_a_later_layer_removes_is_not_held_against_the_image() {
    let bad = archive(&[symlink("m/odd", "/etc"), file("m/1.sql")]);
    for cure in [file("m/.wh.odd"), directory("m/odd"), file("m/odd"), file(".wh.m")] {
        assert!(read("/m", &[bad.clone(), archive(&[cure, file("m/2.sql")])]).is_ok());
    }
    // A link that is the directory, and becomes one.
    let link = archive(&[symlink("m", "/etc")]);
    assert_eq!(paths(&read("/m", &[link, archive(&[directory("m"), file("m/1.sql")])]).unwrap()), ["1.sql"]);
}

#[test]
fn nothing_is_read_through_a_link_or_a_file_of_an_earlier_layer() {
    let cases: &[(Vec<u8>, Vec<u8>, &str)] = &[
        (symlink("m/s", "/etc"), file("m/s/1.sql"), "a symbolic link to /etc"),
        (file("m/s"), file("m/s/1.sql"), "`m/s`, which is a file in an earlier layer"),
        (symlink("m", "/etc"), file("m/1.sql"), "/m in r.example/app:1 is a symbolic link to /etc"),
    ];
    for (first, second, reason) in cases {
        let refused =
            read("/m", &[archive(std::slice::from_ref(first)), archive(std::slice::from_ref(second))])
                .unwrap_err();
        assert!(refused.contains(reason), "{refused}");
    }
}

#[test]
fn a_directory_that_is_not_there_is_said_to_be_none() {
    let elsewhere = [file("db/migrations/1.sql"), file("1.sql")].concat();
    let cases: &[(&str, Vec<u8>, &str, Option<&str>)] = &[
        ("/m", elsewhere.clone(), "ImageNoDirectory", Some("did you mean /?")),
        ("/m", file("x"), "no directory of the image holds .sql files", None),
        ("/m", directory("m"), "EmptyDirectory", None),
        ("/m", file("m/.hidden"), "no directory /m", None),
        (
            "/m",
            symlink("m", "/db/migrations"),
            "a symbolic link to /db/migrations",
            Some("it leads to: /db/migrations"),
        ),
        (
            "/app/m",
            symlink("app", "/srv/"),
            "/app in r.example/app:1 is a symbolic link",
            Some("it leads to: /srv/m"),
        ),
        ("/app/m", symlink("app", "srv"), "a symbolic link to srv", Some("really are")),
        ("/m", file("m"), "/m in r.example/app:1 is a file", None),
        ("/app/m", file("app"), "/app in r.example/app:1 is a file", None),
        ("/m", entry("m", EntryType::Link, b"", "n"), "a hard link to n", None),
    ];
    for (directory, bytes, reason, help) in cases {
        let mut files = Files::new(directory.parse().unwrap(), Limits::default());
        let layer = archive(std::slice::from_ref(bytes));
        files.add_layer(&mut Archive::new(layer.as_slice())).unwrap();
        let refusal = files.finish("r.example/app:1").unwrap_err();
        let text = format!("{:?} {refusal}", refusal.code);
        assert!(text.contains(reason), "{text}");
        assert!(help.is_none_or(|help| refusal.help.as_deref().unwrap().contains(help)), "{refusal:?}");
    }
}

#[test]
fn the_root_is_a_directory_too() {
    let layer = archive(&[directory("./"), file("a.sql"), file("db/b.sql")]);
    assert_eq!(paths(&read("/", &[layer]).unwrap()), ["a.sql", "db/b.sql"]);
}
