use cofferdam_core::Name;

use super::*;
use crate::history::{Cells, Context, Way, Write, flyway, golang_migrate, goose};
use crate::tables::Table;

fn row(rank: i64, version: &str) -> Applied {
    Applied {
        rank,
        key: version.into(),
        version: Some(version.into()),
        description: format!("change {version}"),
        kind: AppliedKind::Versioned,
        checksum: None,
        at: "2026-01-01T00:00:00Z".into(),
        by: "alice".into(),
        ms: 1,
        run: None,
        bundle: RollbackBundle::default(),
        undone_at: None,
    }
}

fn bundle(format: &'static str, versions: &[&str]) -> Bundle {
    let migrations = versions.iter().map(|text| {
        let up = Script::new(format!("{text}.sql"), "SELECT 1");
        Migration {
            checksum: Checksum::Sha256(up.sha256.clone()),
            up,
            down: Some(Script::new(format!("{text}.sql"), "SELECT 2")),
            ..without_file(&row(0, text), Version::parse(text).unwrap())
        }
    });
    Bundle { format, migrations: migrations.collect(), skipped: vec![] }
}

fn history(versions: &[&str]) -> History {
    let applied = (1..).zip(versions).map(|(rank, version)| row(rank, version)).collect();
    History { applied, unfinished: vec![] }
}

fn keys(rows: &[Applied]) -> Vec<&str> {
    rows.iter().map(|row| row.key.as_str()).collect()
}

#[test]
fn what_the_tool_applied_is_taken_over_and_what_it_lacks_is_not_believed() {
    let bundle = bundle("goose", &["1", "2", "3", "4"]);
    let own = vec![row(1, "1"), row(2, "3")];
    let found = difference(&goose::CODEC, &bundle, &own, &history(&["01", "2"]));
    assert_eq!((keys(&found.theirs), keys(&found.ours), found.agreed), (vec!["2"], vec!["3"], 1));
    let all = merged(own, &found);
    assert_eq!(keys(&all), ["1", "3", "2"]);
    assert!(all.iter().all(Applied::in_force), "a row that is not there is no word");
    let problems = problems(&goose::CODEC, &Name::qualified("public", "goose_db_version"), &found, &bundle);
    assert_eq!(problems[0].what, "version 3 is applied here and not in public.goose_db_version of goose");
}

#[test]
fn what_the_tool_says_it_took_back_counts_as_taken_back() {
    let bundle = bundle("goose", &["1", "2"]);
    let mut theirs = history(&["1", "2"]);
    theirs.applied[1].undone_at = Some("2026-02-01T00:00:00Z".into());
    let own = vec![row(1, "1"), row(2, "2")];
    let found = difference(&goose::CODEC, &bundle, &own, &theirs);
    assert_eq!((found.ours.len(), found.taken_back.len()), (0, 1));
    assert!(!merged(own, &found)[1].in_force());
    // Ours was taken back as well: they agree.
    let mut own = vec![row(1, "1"), row(2, "2")];
    own[1].undone_at = Some("x".into());
    assert!(difference(&goose::CODEC, &bundle, &own, &theirs).is_none());
}

#[test]
fn a_file_that_came_late_is_not_believed_of_a_mark() {
    let bundle = bundle("plain", &["1", "2", "3", "4"]);
    let theirs = (golang_migrate::CODEC.read)(&[vec![Some("4".into()), Some("f".into())]], &bundle).unwrap();
    let found = difference(&golang_migrate::CODEC, &bundle, &[row(1, "1"), row(2, "3")], &theirs);
    assert_eq!(keys(&found.theirs), ["4"], "2 came late, and was passed over");
    let first = difference(&golang_migrate::CODEC, &bundle, &[], &theirs);
    assert_eq!(keys(&first.theirs), ["1", "2", "3", "4"]);
}

#[test]
fn baselines_cover_what_is_below_them() {
    let bundle = bundle("goose", &["1", "2", "3"]);
    let baseline = |rank, version| Applied { kind: AppliedKind::Baseline, ..row(rank, version) };
    let own = vec![baseline(1, "2"), row(2, "3")];
    assert!(difference(&goose::CODEC, &bundle, &own, &history(&["1", "2", "3"])).is_none());
    let theirs = History { applied: vec![baseline(1, "2")], unfinished: vec![] };
    assert!(difference(&flyway::CODEC, &bundle, &[row(1, "1"), row(2, "2")], &theirs).is_none());
}

#[test]
fn drift_is_between_checksums_of_one_kind() {
    let with = |checksum| Applied { checksum: Some(checksum), ..row(1, "1") };
    for (one, other, drifts) in [
        (Checksum::FlywayCrc32(1), Checksum::FlywayCrc32(2), 1),
        (Checksum::FlywayCrc32(1), Checksum::FlywayCrc32(1), 0),
        (Checksum::Sha256("a".into()), Checksum::FlywayCrc32(1), 0),
    ] {
        let theirs = History { applied: vec![with(other)], unfinished: vec![] };
        let found = difference(&flyway::CODEC, &bundle("flyway", &["1"]), &[with(one)], &theirs);
        assert_eq!(found.drift.len(), drifts);
    }
}

#[test]
fn what_is_taken_over_has_the_way_back_and_a_checksum_of_its_file() {
    let bundle = bundle("goose", &["1"]);
    let files = Files::of(&bundle);
    let theirs = Applied { at: String::new(), by: String::new(), ..row(7, "01") };
    let taken = taken_over(&goose::CODEC, &theirs, files.about(&theirs), 3, "now");
    assert_eq!(
        (taken.rank, taken.key.as_str(), taken.at.as_str(), taken.by.as_str()),
        (3, "1", "now", "goose")
    );
    assert_eq!(taken.bundle.down.as_ref().unwrap().text, "SELECT 2");
    assert_eq!(taken.checksum.as_ref(), Some(&bundle.migrations[0].checksum));
    let gone = taken_over(&goose::CODEC, &row(7, "9"), None, 4, "now");
    assert_eq!((gone.key.as_str(), gone.checksum, gone.bundle.down), ("9", None, None));
}

#[test]
fn a_tool_that_keeps_how_far_it_got_learns_of_versions_without_files() {
    let older = bundle("plain", &["1"]);
    let whole = with_history(&older, &[row(1, "1"), row(2, "2"), row(3, "3")]);
    let rows = [vec![Some("3".to_owned()), Some("f".to_owned())]];
    let context = Context { rows: &rows, bundle: &whole, root: "" };
    let writes = (golang_migrate::CODEC.undone)(&row(3, "3"), &context).unwrap();
    let Write::Update { set, .. } = &writes[0] else { panic!("{writes:?}") };
    assert_eq!(set[0], ("version", Some("2".into())), "and not to 1, below which its files end");
}

#[test]
fn the_mark_is_dirty_while_it_is_worked_on() {
    let bundle = bundle("plain", &["1", "2"]);
    let cells = |version: &str, dirty: &str| vec![vec![Some(version.to_owned()), Some(dirty.to_owned())]];
    let codec = &golang_migrate::CODEC;
    let mark = codec.mark.unwrap();
    let state = |writes: Vec<Write>| match writes.into_iter().next() {
        Some(Write::Update { set, .. }) => (set[0].1.clone().unwrap(), set[1].1.clone().unwrap()),
        Some(Write::Insert(cells)) => (cells[0].clone().unwrap(), cells[1].clone().unwrap()),
        Some(Write::Delete { .. }) => ("gone".into(), String::new()),
        None => ("same".into(), String::new()),
    };
    let is =
        |one: (String, String), version: &str, dirty: &str| assert_eq!(one, (version.into(), dirty.into()));
    let clean = cells("1", "f");
    let (dirty, first) = (cells("2", "t"), cells("1", "t"));
    let context = |rows| Context { rows, bundle: &bundle, root: "" };
    is(state((mark.began)(&row(2, "2"), Way::Up, &context(&clean)).unwrap()), "2", "true");
    is(state((mark.began)(&row(1, "1"), Way::Up, &context(&[])).unwrap()), "1", "true");
    is(state((codec.applied)(&row(2, "2"), &context(&dirty)).unwrap()), "2", "false");
    is(state((mark.given_up)(&row(2, "2"), Way::Up, &context(&dirty)).unwrap()), "1", "false");
    is(state((mark.given_up)(&row(1, "1"), Way::Up, &context(&first)).unwrap()), "gone", "");
    is(state((mark.began)(&row(1, "1"), Way::Down, &context(&clean)).unwrap()), "1", "true");
    is(state((mark.given_up)(&row(2, "2"), Way::Down, &context(&dirty)).unwrap()), "2", "false");
    is(state((mark.given_up)(&row(2, "2"), Way::Up, &context(&clean)).unwrap()), "same", "");
}

/// Where DDL commits by itself.
#[test]
fn what_is_begun_is_a_failed_row_of_flyway_until_it_has_ended() {
    let bundle = bundle("flyway", &["1", "2"]);
    let codec = &flyway::CODEC;
    assert!(codec.mark.is_none(), "on PostgreSQL there is nothing to mark");
    let mark = codec.mysql.and_then(|mysql| mysql.mark).unwrap();
    let mut rows = Vec::new();
    let crc = |version| Applied { checksum: Some(Checksum::FlywayCrc32(-7)), ms: 9, ..row(0, version) };
    let said = |rows: &[Cells]| {
        let history = (codec.read)(rows, &bundle).unwrap();
        let keys = |row: Applied| (row.key, row.checksum, row.ms);
        (history.applied.into_iter().map(keys).collect::<Vec<_>>(), history.unfinished.len())
    };
    let perform = |rows: &mut Vec<Cells>, writes: Vec<Write>| {
        for write in writes {
            crate::writes::perform(codec, rows, &write);
        }
    };
    macro_rules! does {
        ($what:expr) => {{
            let what = $what;
            let writes = what(&Context { rows: &rows, bundle: &bundle, root: "" });
            perform(&mut rows, writes.unwrap());
        }};
    }
    let one = ("1".to_owned(), Some(Checksum::FlywayCrc32(-7)), 9);
    does!(|c: &Context<'_>| (mark.began)(&crc("1"), Way::Up, c));
    assert_eq!(said(&rows), (vec![], 1), "begun");
    does!(|c: &Context<'_>| (mark.began)(&crc("1"), Way::Up, c));
    assert_eq!(said(&rows), (vec![], 1), "and begun again");
    does!(|c: &Context<'_>| (codec.applied)(&crc("1"), c));
    assert_eq!(said(&rows), (vec![one.clone()], 0), "ended");
    does!(|c: &Context<'_>| (mark.began)(&crc("2"), Way::Up, c));
    does!(|c: &Context<'_>| (mark.given_up)(&crc("2"), Way::Up, c));
    assert_eq!(said(&rows), (vec![one.clone()], 0), "given up");
    does!(|c: &Context<'_>| (mark.given_up)(&crc("1"), Way::Up, c));
    does!(|c: &Context<'_>| (mark.began)(&crc("1"), Way::Down, c));
    assert_eq!(said(&rows), (vec![one], 0), "what has ended well stays");
    assert_eq!(rows.len(), 1);
}

fn table(schema: &str, name: &str, columns: &[&str]) -> Table {
    Table { schema: schema.into(), name: name.into(), columns: columns.iter().map(|c| (*c).into()).collect() }
}

fn chosen(tables: &[Table], wanted: &Wanted<'_>) -> String {
    match choose(tables, &Wanted { schema: "public", ..wanted.clone() }) {
        Ok(Choice::Own) => "own".into(),
        Ok(Choice::Keep { codec, table, there }) => format!("{} {table} {there}", codec.id),
        Err(refusal) => refusal.code.id().into(),
    }
}

#[test]
fn the_table_of_the_directorys_tool_is_kept() {
    let goose = table("public", "goose_db_version", &["id", "version_id", "is_applied", "tstamp"]);
    let migrate = table("public", "schema_migrations", &["version", "dirty"]);
    let other = Table { schema: "app".into(), ..goose.clone() };
    let third = Table { schema: "b".into(), ..goose.clone() };
    let of = |format| Wanted { format, ..Wanted::default() };
    let both = [goose.clone(), migrate.clone()];
    assert_eq!(chosen(&both, &of("goose")), "goose public.goose_db_version true");
    assert_eq!(chosen(&both, &of("plain")), "golang-migrate public.schema_migrations true");
    assert_eq!(chosen(&both, &of("flyway")), "own", "of other tools nothing is written");
    assert_eq!(chosen(&both, &of("")), "own");
    assert_eq!(
        chosen(&both, &Wanted { kept_in: &["goose".into()], ..of("") }),
        "goose public.goose_db_version true"
    );
    // Where nothing is there, a directory that only one tool can have written decides; Cofferdam's own forms do not.
    assert_eq!(chosen(&[], &of("goose")), "goose public.goose_db_version false");
    assert_eq!(chosen(&[], &of("drizzle")), "drizzle drizzle.__drizzle_migrations false");
    assert_eq!(chosen(&[], &of("plain")), "own");
    assert_eq!(chosen(&[], &Wanted { own: true, ..of("goose") }), "own", "it was kept alone until now");
    assert_eq!(
        chosen(&[], &Wanted { asked: true, ..of("plain") }),
        "golang-migrate public.schema_migrations false"
    );
    assert_eq!(
        chosen(&[], &Wanted { tool: Some("goose"), ..of("plain") }),
        "goose public.goose_db_version false"
    );
    assert_eq!(chosen(&[], &Wanted { tool: Some("gose"), ..of("plain") }), "CF3602");
    assert_eq!(chosen(&[], &Wanted { asked: true, ..of("list") }), "CF3602");
    // That of the connection's schema is the one that the tool would find, too.
    assert_eq!(chosen(&[other.clone(), goose], &of("goose")), "goose public.goose_db_version true");
    assert_eq!(chosen(&[other.clone(), third], &of("goose")), "CF3408");
    assert_eq!(chosen(&[other], &of("goose")), "goose app.goose_db_version true");
    let renamed = table("public", "versions", &["version", "dirty"]);
    let name = Name { schema: None, name: "versions".into() };
    assert_eq!(
        chosen(&[renamed], &Wanted { table: Some(&name), ..of("plain") }),
        "golang-migrate public.versions true"
    );
}

#[test]
fn of_a_repeatable_migration_the_last_run_counts() {
    let ran = |rank, crc| Applied {
        key: "R:v".into(),
        version: None,
        kind: AppliedKind::Repeatable,
        checksum: Some(Checksum::FlywayCrc32(crc)),
        ..row(rank, "1")
    };
    let theirs = |rows: &[i32]| History {
        applied: (1..).zip(rows).map(|(rank, crc)| ran(rank, *crc)).collect(),
        unfinished: vec![],
    };
    let bundle = bundle("flyway", &["1"]);
    let own = [ran(1, 1), ran(2, 2)];
    // Both ran two texts, and neither is behind.
    assert!(difference(&flyway::CODEC, &bundle, &own, &theirs(&[1, 2])).is_none());
    let found = difference(&flyway::CODEC, &bundle, &own, &theirs(&[1, 2, 3]));
    assert_eq!(found.theirs, [ran(3, 3)]);
    assert_eq!(difference(&flyway::CODEC, &bundle, &[], &theirs(&[1, 2])).theirs.len(), 2);
}

#[test]
fn a_baseline_that_a_file_made_is_missed_where_it_is_not_there() {
    let made =
        Applied { kind: AppliedKind::Baseline, checksum: Some(Checksum::FlywayCrc32(1)), ..row(1, "2") };
    let bundle = bundle("flyway", &["1", "2", "3"]);
    let found = difference(&flyway::CODEC, &bundle, std::slice::from_ref(&made), &history(&[]));
    assert_eq!(keys(&found.ours), ["2"]);
    let declared = Applied { checksum: None, ..made.clone() };
    assert!(difference(&flyway::CODEC, &bundle, &[declared], &history(&[])).is_none());
    let theirs = History { applied: vec![made.clone()], unfinished: vec![] };
    assert!(difference(&flyway::CODEC, &bundle, &[made], &theirs).is_none());
}
