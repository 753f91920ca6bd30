//! Entries that are read, skipped or refused. Each hostile one stands in the directory, and again outside of it.

use super::*;

/// An archive with one plain file, and this before it.
fn with(entries: &[Vec<u8>]) -> Vec<u8> {
    archive(&[entries.concat(), file("m/1.sql")])
}

#[test]
fn files_are_read_by_each_way_to_write_a_name() {
    let long = format!("m/{}/{}.sql", "d".repeat(120), "f".repeat(120));
    let mut prefixed = header("1.sql", EntryType::Regular, 1, "");
    prefixed.as_ustar_mut().unwrap().prefix[..3].copy_from_slice(b"m/p");
    prefixed.set_cksum();
    let layer = archive(&[
        directory("./"),
        directory("m/"),
        directory("m"),
        file("./m//a.sql"),
        file("m/.hidden"),
        file("m/.git/config"),
        symlink("m/.link", "/etc"),
        entry("m/old", EntryType::new(0), b"x", ""),
        entry("m/olddir/", EntryType::new(0), b"", ""),
        with_contents(&prefixed, b"x"),
        [pax(&[("path", &long), ("mtime", "1.5"), ("SCHILY.xattr.user.a", "b\nc")]), file("short")].concat(),
        [entry("L", EntryType::GNULongName, b"m/gnu.sql\0", ""), file("short2")].concat(),
        [entry("g", EntryType::XGlobalHeader, b"13 comment=a\n", ""), file("m/z.sql")].concat(),
        file("m-other/b.sql"),
        file("other/m/c.sql"),
    ]);
    let files = read("/m", &[layer]).unwrap();
    let below = &long[2..];
    assert_eq!(paths(&files), ["a.sql", below, "gnu.sql", "old", "p/1.sql", "z.sql"]);
    assert_eq!(files[0].bytes, b"./m//a.sql");
    // A zip in the archive is a file like any other.
    assert_eq!(
        paths(&read("m", &[archive(&[entry("m/a.zip", EntryType::Regular, b"PK", "")])]).unwrap()),
        ["a.zip"]
    );
}

#[test]
fn what_is_no_file_is_refused_in_the_directory_and_skipped_outside() {
    let sparse = EntryType::GNUSparse;
    let cases = [
        (EntryType::Symlink, "/etc/passwd", "a symbolic link to /etc/passwd"),
        (EntryType::Symlink, "../../etc", "a symbolic link to ../../etc"),
        (EntryType::Symlink, "2.sql", "a symbolic link to 2.sql"),
        (EntryType::Link, "etc/shadow", "a hard link to etc/shadow"),
        (EntryType::Char, "", "a device"),
        (EntryType::Block, "", "a device"),
        (EntryType::Fifo, "", "a pipe"),
        (sparse, "", "a sparse file"),
        (EntryType::new(b'M'), "", "of an unknown type"),
        (EntryType::new(b'!'), "", "of an unknown type"),
    ];
    for (kind, link, reason) in cases {
        let refused = read("/m", &[with(&[entry("m/odd", kind, b"", link)])]).unwrap_err();
        assert!(refused.starts_with("ImageHostile") && refused.contains("`m/odd`"), "{refused}");
        assert!(refused.contains(reason), "{refused}");
        let skipped = read("/m", &[with(&[entry("n/odd", kind, b"", link)])]).unwrap();
        assert_eq!(paths(&skipped), ["1.sql"], "{reason}");
    }
    let mut setuid = header("m/odd", EntryType::Regular, 0, "");
    setuid.set_mode(0o4755);
    setuid.set_cksum();
    let refused = read("/m", &[with(&[setuid.as_bytes().to_vec()])]).unwrap_err();
    assert!(refused.contains("set-user-id"), "{refused}");
    for records in [[("GNU.sparse.major", "1")], [("GNU.sparse.name", "m/odd")]] {
        let refused = read("/m", &[with(&[pax(&records), file("m/odd")])]).unwrap_err();
        assert!(refused.contains("a sparse file"), "{refused}");
    }
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let not_utf8 = {
        let mut header = header("m/a", EntryType::Regular, 0, "");
        header.as_old_mut().name[2] = 0xff;
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    let deep = format!("n/{}x", "d/".repeat(40));
    let very_deep = [pax(&[("path", &format!("{}x", "d/".repeat(100)))]), file("short")].concat();
    let long = [pax(&[("path", &"d".repeat(5000))]), file("short")].concat();
    let cases: &[(Vec<u8>, Result<(), &str>)] = &[
        (file("../m/a.sql"), Err("ImageHostile")),
        (file("m/../../etc/passwd"), Err("leads upwards")),
        (file("n/../m/a.sql"), Err("leads upwards")),
        (file("n/a/../b.sql"), Err("leads upwards")),
        (file("/m/a.sql"), Err("root of the machine")),
        (directory("/m"), Err("root of the machine")),
        (file("/n/a.sql"), Ok(())),
        (directory("/"), Ok(())),
        (symlink("./", "/etc"), Err("is the root of the image")),
        (file("m/a\nb.sql"), Err("BadFileName")),
        (file("m/\x1b[31m.sql"), Err("control characters")),
        (not_utf8, Err("not UTF-8")),
        (file("n/\x1b[31m.sql"), Ok(())),
        (file(&deep), Ok(())),
        (very_deep, Err("at most 64 parts")),
        (long, Err("at most 4096 bytes")),
        (file("m/.wh."), Err("removes no name")),
        (file("m/.wh..."), Err("removes no name")),
        (symlink("m/.wh.1.sql", "x"), Err("named as a whiteout")),
    ];
    for (bytes, expected) in cases {
        match (read("/m", &[with(std::slice::from_ref(bytes))]), expected) {
            (Ok(_), Ok(())) => {}
            (Err(refused), Err(reason)) => {
                assert!(refused.contains(reason) && !refused.contains('\x1b'), "{refused} for {reason}");
            }
            (read, _) => panic!("{expected:?}: {read:?}"),
        }
    }
}

#[test]
fn one_name_twice_in_a_layer_is_refused() {
    let cases: &[(&[Vec<u8>], Option<&str>)] = &[
        (&[file("m/a.sql"), file("m/a.sql")], Some("twice")),
        (&[file("m/a.sql"), file("./m/a.sql")], Some("twice")),
        (&[directory("m/a"), file("m/a")], Some("twice")),
        (&[symlink("m/a", "/etc"), directory("m/a")], Some("twice")),
        (&[symlink("m/a", "/etc"), file("m/a/b.sql")], Some("in `m/a`, which is a symbolic link")),
        (&[file("m/a/b.sql"), symlink("m/a", "/etc")], Some("in `m/a`, which is a symbolic link")),
        (&[file("m/a"), file("m/a-b"), file("m/a/b.sql")], Some("in `m/a`, which is a file")),
        (&[symlink("m", "/etc"), file("m/b.sql")], Some("in `m`, which is a symbolic link")),
        (&[file("n/a"), file("n/a")], None),
        (&[directory("m/a"), directory("m/a/")], None),
    ];
    for (entries, reason) in cases {
        match (read("/m", &[with(entries)]), reason) {
            (Ok(_), None) => {}
            (Err(refused), Some(reason)) => {
                assert!(refused.starts_with("ImageHostile") && refused.contains(reason), "{refused}");
            }
            (read, _) => panic!("{reason:?}: {read:?}"),
        }
    }
}

/// They decide where the next entry begins, so they are refused wherever they stand.
#[test]
fn archives_that_can_be_read_in_two_ways_are_refused() {
    let mut bad_sum = file("n/a");
    bad_sum[0] = b'x';
    let size = |field: &[u8; 12]| {
        let mut header = header("n/a", EntryType::Regular, 0, "");
        header.as_old_mut().size = *field;
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    let mut negative = [0xff; 12];
    negative[11] = 0;
    let mut beyond = [0; 12];
    (beyond[0], beyond[1]) = (0x80, 1);
    let huge = [0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let global = |records: &[u8]| entry("g", EntryType::XGlobalHeader, records, "");
    let name = |name: &[u8]| entry("L", EntryType::GNULongName, name, "");
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("two sizes", [pax(&[("size", "512")]), file("n/a")].concat(), "two sizes"),
        ("size hides an entry", [pax(&[("size", "0")]), file("n/a")].concat(), "two sizes"),
        ("size twice", [pax(&[("size", "3"), ("size", "3")]), file("n/a")].concat(), "size twice"),
        ("size no number", [pax(&[("size", "0x3")]), file("n/a")].concat(), "no number"),
        ("two names", [pax(&[("path", "n/a"), ("path", "m/a")]), file("n/a")].concat(), "two names"),
        ("two kinds of name", [name(b"n/a"), pax(&[("path", "m/a")]), file("n/a")].concat(), "two names"),
        ("no name", [pax(&[("path", "")]), file("n/a")].concat(), "names nothing"),
        ("a NUL in a name", [name(b"m/a\0b"), file("n/a")].concat(), "NUL"),
        ("header twice", [pax(&[("a", "b")]), pax(&[("a", "b")]), file("n/a")].concat(), "of one type"),
        ("no records", [entry("x", EntryType::XHeader, b"junk", ""), file("n/a")].concat(), "records"),
        ("global path", [global(b"12 path=m/a\n"), file("n/a")].concat(), "for all entries"),
        ("link with contents", entry("n/a", EntryType::Link, b"x", "n/b"), "by its type"),
        ("directory with contents", entry("n/a", EntryType::Directory, b"x", ""), "by its type"),
        ("wrong checksum", bad_sum, "checksum is wrong"),
        ("size is text", size(b"999999999999"), "no size"),
        ("size is negative", size(&negative), "no size"),
        ("size is beyond 64 bits", size(&beyond), "no size"),
        ("size is the largest", size(&huge), "no size"),
        ("one empty block", vec![0; 512], "one empty block"),
    ];
    for (what, bytes, reason) in cases {
        let refused = read("/m", &[with(&[bytes])]).unwrap_err();
        assert!(refused.contains(reason), "{what}: {refused}");
    }
    let unfinished = [file("m/1.sql"), pax(&[("path", "m/2.sql")]), vec![0; 1024]].concat();
    assert!(read("/m", &[unfinished]).unwrap_err().contains("no entry behind it"));
}

#[test]
fn an_archive_that_is_cut_is_noticed_where_that_can_be() {
    let whole = archive(&[file("m/1.sql"), file("m/2.sql")]);
    // Before the empty blocks at the end, and between them, nothing is lost.
    for (length, fine) in [(0, false), (100, false), (600, false), (1100, false), (2048, true), (2560, true)]
    {
        let cut = read("/m", &[whole[..length].to_vec()]);
        assert_eq!(cut.is_ok(), fine, "{length}: {cut:?}");
    }
    let more_behind = [whole, file("m/3.sql")].concat();
    assert_eq!(read("/m", &[more_behind]).unwrap().len(), 2, "what lies behind the end is not read");
}
