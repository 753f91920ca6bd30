//! From files and a history to what is to be done.

use cofferdam_core::history::{Applied, AppliedKind, RollbackBundle};
use cofferdam_core::{Checksum, Code};
use cofferdam_project::deploy::{self, At, Begun, begun, shipment};
use cofferdam_project::{DatabaseType, Route};

use super::*;

const PG: DatabaseType = DatabaseType::Postgresql;

/// What a route applies: the keys.
fn keys(route: &Route) -> Vec<String> {
    let shipment = shipment(PROJECT, &route.legs).unwrap();
    shipment.bundle.migrations.iter().map(cofferdam_core::Migration::key).collect()
}

/// A history in which these are applied, in this order. Those with `-` are taken back.
fn history(keys: &[&str]) -> Vec<Applied> {
    let row = |(rank, key): (usize, &&str)| Applied {
        rank: rank as i64 + 1,
        key: key.trim_start_matches('-').to_owned(),
        version: Some(key.trim_start_matches('-').to_owned()),
        description: String::new(),
        kind: AppliedKind::Versioned,
        checksum: Some(Checksum::Sha256(String::new())),
        at: String::new(),
        by: String::new(),
        ms: 0,
        run: None,
        bundle: RollbackBundle::default(),
        undone_at: key.starts_with('-').then(|| "then".to_owned()),
    };
    keys.iter().enumerate().map(row).collect()
}

const INSTALLED: [&str; 3] = [
    "e-commerce-api-v1.0.0/install-001",
    "e-commerce-api-v1.0.0/install-100",
    "e-commerce-api-v1.0.0/install-200",
];
const UPGRADED: [&str; 3] = [
    "e-commerce-api-v1.1.0/from-1.0.0-001",
    "e-commerce-api-v1.1.0/from-1.0.0-002",
    "e-commerce-api-v1.1.0/from-1.0.0-300",
];

fn legs_of(keys: &[&str]) -> Vec<Begun> {
    begun(PROJECT, &history(keys))
}

fn at(keys: &[&str], metadata: Option<&str>) -> Result<At, Code> {
    At::of(&project(&example()), PG, &legs_of(keys), metadata).map_err(|refusal| refusal.code)
}

fn is(version: Option<&str>, half: Option<&str>) -> Result<At, Code> {
    Ok(At { version: version.map(v), half_way_to: half.map(v) })
}

#[test]
fn all_scripts_of_all_legs_are_one_bundle_with_its_riders() {
    let route = project(&example()).install(&v("v1.1.0"), PG).unwrap();
    assert_eq!(keys(&route), [INSTALLED, UPGRADED].concat());
    let shipment = shipment(PROJECT, &route.legs).unwrap();
    let shown: Vec<_> = shipment
        .seats
        .iter()
        .map(|seat| {
            let reaches = seat.reaches.as_ref().map(|(from, to)| {
                format!("{}>{to}", from.as_ref().map(Release::to_string).unwrap_or_default())
            });
            let name = seat.key.rsplit('/').next().unwrap().to_owned();
            (name, seat.begins, seat.before.len(), seat.after.len(), reaches.unwrap_or_default())
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("install-001".to_owned(), true, 0, 0, String::new()),
            ("install-200".to_owned(), false, 0, 0, ">v1.0.0".to_owned()),
            // The stage pre-upgrade has a check and no script.
            ("from-1.0.0-001".to_owned(), false, 1, 0, String::new()),
            ("from-1.0.0-300".to_owned(), false, 0, 0, "v1.0.0>v1.1.0".to_owned()),
        ]
    );
    let with_way_back =
        shipment.bundle.migrations.iter().all(|one| one.down.is_some() && one.check.is_some());
    assert!(with_way_back);
}

#[test]
fn a_release_without_scripts_has_its_row() {
    let mut tree = example();
    configure(
        &mut tree,
        "v2.0.0\"]\n      rollback_to: [\"v1.0.0\"]",
        "v1.2.0\"]\n      rollback_to: [\"v1.0.0\"]\n    v1.2.0:\n      rollback_to: [\"v1.1.0\"]",
    );
    put(&mut tree, &format!("{BELOW}/versions/v1.2.0/upgrade/from-v1.1.0/README.md"), "Nothing.");
    let project = project(&tree);
    let route = project.upgrade(&v("v1.0.0"), &v("v1.2.0"), PG).unwrap();
    assert_eq!(keys(&route)[3], "e-commerce-api-v1.2.0/from-1.1.0-version");
    let all = [&INSTALLED[..], &UPGRADED, &["e-commerce-api-v1.2.0/from-1.1.0-version"]].concat();
    let found = At::of(&project, PG, &legs_of(&all), Some("v1.2.0")).unwrap();
    assert_eq!(found, At { version: Some(v("v1.2.0")), half_way_to: None });
}

#[test]
fn the_version_is_what_table_and_history_say_together() {
    let up = [&INSTALLED[..], &UPGRADED].concat();
    let half = [&INSTALLED[..], &UPGRADED[..2]].concat();
    for (keys, metadata, expected) in [
        (&[][..], None, is(None, None)),
        // Installed by another program.
        (&[], Some("v1.0.0"), is(Some("v1.0.0"), None)),
        (&INSTALLED, Some("v1.0.0"), is(Some("v1.0.0"), None)),
        (&INSTALLED, Some("1.0.0"), is(Some("v1.0.0"), None)),
        (&INSTALLED[..1], None, is(None, Some("v1.0.0"))),
        (&up, Some("v1.1.0"), is(Some("v1.1.0"), None)),
        (&half, Some("v1.0.0"), is(Some("v1.0.0"), Some("v1.1.0"))),
        // A script wrote it before the last one.
        (&half, Some("v1.1.0"), is(Some("v1.0.0"), Some("v1.1.0"))),
        (&up, Some("v1.0.0"), Err(Code::VersionDisagrees)),
        (&up, None, Err(Code::VersionDisagrees)),
        (&INSTALLED, Some("v1.1.0"), Err(Code::VersionDisagrees)),
        (&INSTALLED, Some("latest"), Err(Code::VersionDisagrees)),
        (&half, Some("v0.9.0"), Err(Code::VersionDisagrees)),
    ] {
        assert_eq!(at(keys, metadata), expected, "{keys:?} {metadata:?}");
    }
    let back: Vec<String> = UPGRADED.iter().map(|key| format!("-{key}")).collect();
    let back: Vec<&str> = INSTALLED.into_iter().chain(back.iter().map(String::as_str)).collect();
    assert_eq!(at(&back, Some("v1.0.0")), is(Some("v1.0.0"), None));
}

#[test]
fn an_upgrade_goes_on_with_what_was_begun() {
    let project = project(&example());
    let upgrade = |at: &Result<At, Code>, to: &str, from: Option<&str>| {
        let from = from.map(v);
        deploy::upgrade(&project, PG, at.as_ref().unwrap(), &v(to), from.as_ref())
            .map(|route| keys(&route).len())
            .map_err(|refusal| refusal.code)
    };
    let (one, half) = (is(Some("v1.0.0"), None), is(Some("v1.0.0"), Some("v1.1.0")));
    assert_eq!(upgrade(&one, "v1.1.0", None), Ok(3));
    assert_eq!(upgrade(&one, "1.1.0", Some("1.0.0")), Ok(3));
    assert_eq!(upgrade(&half, "v1.1.0", Some("v1.0.0")), Ok(3));
    assert_eq!(upgrade(&half, "v1.1.0", Some("v1.1.0")), Err(Code::StaleFromVersion));
    assert_eq!(upgrade(&half, "v1.0.0", None), Err(Code::ProjectHalfWay));
    let there = is(Some("v1.1.0"), None);
    // The same pipeline once more.
    assert_eq!(upgrade(&there, "v1.1.0", Some("v1.0.0")), Ok(0));
    assert_eq!(upgrade(&there, "v1.0.0", Some("v1.0.0")), Err(Code::StaleFromVersion));
    assert_eq!(upgrade(&there, "v1.0.0", None), Err(Code::MatrixBackwards));
    assert_eq!(upgrade(&is(None, None), "v1.1.0", None), Err(Code::ProjectNotInstalled));
    assert_eq!(upgrade(&is(None, Some("v1.0.0")), "v1.1.0", None), Err(Code::ProjectHalfWay));
}

#[test]
fn an_installation_is_for_a_database_without_the_project() {
    let project = project(&example());
    let install = |at: Result<At, Code>, to: &str, asked: bool| {
        deploy::install(&project, PG, &at.unwrap(), &v(to), asked)
            .map(|route| keys(&route).len())
            .map_err(|refusal| refusal.code)
    };
    assert_eq!(install(is(None, None), "v1.1.0", false), Ok(6));
    assert_eq!(install(is(None, Some("v1.0.0")), "v1.1.0", false), Ok(6));
    assert_eq!(install(is(Some("v1.1.0"), None), "v1.1.0", false), Ok(0));
    assert_eq!(install(is(Some("v1.0.0"), None), "v1.1.0", false), Err(Code::ProjectThere));
    // Cut off between two legs of the same installation.
    assert_eq!(install(is(Some("v1.0.0"), None), "v1.1.0", true), Ok(3));
    assert_eq!(install(is(Some("v1.0.0"), Some("v1.1.0")), "v1.1.0", true), Ok(3));
    assert_eq!(install(is(Some("v1.0.0"), Some("v1.1.0")), "v1.1.0", false), Err(Code::ProjectHalfWay));
}

#[test]
fn a_rollback_takes_back_what_the_history_has_as_far_as_the_matrix_allows() {
    let up = [&INSTALLED[..], &UPGRADED].concat();
    let newest_first: Vec<String> = UPGRADED.iter().rev().map(|key| (*key).to_owned()).collect();
    let back = |tree: &Tree, keys: &[&str], metadata: &str, to: &str| {
        let project = project(tree);
        let legs = legs_of(keys);
        let at = At::of(&project, PG, &legs, Some(metadata)).map_err(|refusal| refusal.code)?;
        deploy::back(&project, &at, &legs, &v(to)).map_err(|refusal| refusal.code)
    };
    let retreat = back(&example(), &up, "v1.1.0", "v1.0.0").unwrap();
    assert_eq!(retreat.keys, newest_first);
    assert_eq!(retreat.reaches, [(UPGRADED[0].to_owned(), v("v1.0.0"))]);
    let half = back(&example(), &up[..4], "v1.0.0", "v1.0.0").unwrap();
    assert_eq!(half.keys, [UPGRADED[0]]);
    assert!(back(&example(), &INSTALLED, "v1.0.0", "v1.0.0").unwrap().keys.is_empty());
    assert_eq!(back(&example(), &INSTALLED, "v1.0.0", "v1.1.0"), Err(Code::MatrixBackwards));
    // Another program made the upgrade.
    assert_eq!(back(&example(), &[], "v1.1.0", "v1.0.0"), Err(Code::NotAppliedHere));
    let mut closed = example();
    configure(&mut closed, "rollback_to: [\"v1.0.0\"]", "rollback_to: []");
    assert_eq!(back(&closed, &up, "v1.1.0", "v1.0.0"), Err(Code::NoRollbackPath));
    // The checkout of the release before.
    let mut older = example();
    remove(&mut older, &format!("{BELOW}/versions/v1.1.0"));
    configure(
        &mut older,
        "    v1.1.0:\n      upgrades_to: [\"v2.0.0\"]\n      rollback_to: [\"v1.0.0\"]\n",
        "",
    );
    assert_eq!(back(&older, &up, "v1.1.0", "v1.0.0").unwrap().keys, newest_first);
}
