use clap::{Args, FromArgMatches};

use super::*;

const FILE: &str = "
dir: db/migrations
environments:
  prod:
    url: postgres://shop@db.prod:5432/shop
    lockTimeout: 250ms
    lockTries: 5
    checks: [disk-space=20GB, 'custom=SELECT true']
    approval: {required: true, twoPersons: true, for: 24h}
    sample: 10
    checksum: false
    drop: park
    parkFor: 14d
  staging:
    url: env:STAGING_URL
    dir: db/staging
  local: {}
";

fn common(arguments: &[&str]) -> Common {
    let command = Common::augment_args(clap::Command::new("test").no_binary_name(true));
    Common::from_arg_matches(&command.try_get_matches_from(arguments).unwrap()).unwrap()
}

fn merged(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Settings> {
    let variable =
        |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
    Settings::merged(&common(arguments), &variable, file::parsed("cofferdam.yaml", FILE).unwrap())
}

#[test]
fn the_database_is_found_in_the_documented_order() {
    let database = ("DATABASE_URL", "postgres://database-url");
    let staging = ("STAGING_URL", "postgres://staging");
    let host = ("PGHOST", "db");
    type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], Option<&'a str>, bool);
    let cases: &[Case<'_>] = &[
        (&["--url", "postgres://flag", "--env", "prod"], &[database, host], Some("postgres://flag"), true),
        (&["--env", "prod"], &[database, host], Some("postgres://shop@db.prod:5432/shop"), true),
        (&["--env", "staging"], &[database, staging], Some("postgres://staging"), true),
        (&["--env", "local"], &[database], Some("postgres://database-url"), true),
        (&[], &[database, host], Some("postgres://database-url"), true),
        (&[], &[host], None, true),
        (&["--url", "env:STAGING_URL"], &[staging], Some("postgres://staging"), true),
        (&[], &[], None, false),
    ];
    for (arguments, variables, url, has_database) in cases {
        let settings = merged(arguments, variables).unwrap();
        assert_eq!((settings.url.as_deref(), settings.has_database), (*url, *has_database), "{arguments:?}");
    }
}

#[test]
fn the_directory_is_found_in_the_documented_order() {
    for (arguments, dir) in [
        (&["--dir", "here", "--env", "staging"][..], "here"),
        (&["--env", "staging"], "db/staging"),
        (&["--env", "prod"], "db/migrations"),
        (&[], "db/migrations"),
    ] {
        let variables = [("STAGING_URL", "postgres://s")];
        assert_eq!(merged(arguments, &variables).unwrap().dir, PathBuf::from(dir), "{arguments:?}");
    }
    let empty = Settings::merged(&common(&[]), &|_| None, File::default()).unwrap();
    assert_eq!((empty.dir, empty.dir_is_default), (PathBuf::from("migrations"), true));
}

#[test]
fn an_environment_carries_its_limits() {
    let settings = merged(&["--env", "prod"], &[]).unwrap();
    assert_eq!(settings.lock_timeout, Some(Duration::from_millis(250)));
    assert_eq!(settings.lock_tries, Some(5));
    assert_eq!(settings.checks, ["disk-space=20GB", "custom=SELECT true"]);
    let lasts = Some(Duration::from_secs(86_400));
    assert_eq!(settings.approval, ApprovalRule { required: true, two_persons: true, lasts });
    assert_eq!((settings.sample, settings.checksum), (Some(10), Some(false)));
    let fortnight = std::time::Duration::from_secs(14 * 86_400);
    assert_eq!((settings.drop, settings.park_for), (Some(DropPolicy::Park), Some(fortnight)));
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_a_suggestion() {
    for (text, what, line, help) in [
        ("dirr: x\n", "unknown key dirr", 1, Some("did you mean dir?")),
        ("environments:\n  prod:\n    lockTimout: 1s\n", "unknown key lockTimout", 3, Some("lockTimeout")),
        ("environments:\n  prod:\n    maxBlock: soon\n", "cannot be understood", 3, None),
        ("environments: [\n", "cannot be understood", 1, None),
        (
            "environments:\n  prod:\n    approval: {require: true}\n",
            "unknown key require",
            3,
            Some("required"),
        ),
    ] {
        let fault = file::parsed("cofferdam.yaml", text).unwrap_err();
        let refusal = fault.refusal().unwrap();
        assert_eq!(refusal.code, Code::BadConfig);
        assert!(refusal.what.contains(what), "{text}: {}", refusal.what);
        assert_eq!(refusal.place.as_ref().unwrap().at.line, line, "{text}");
        if let Some(help) = help {
            assert!(refusal.help.as_ref().unwrap().contains(help), "{text}: {:?}", refusal.help);
        }
    }
    assert!(file::parsed("cofferdam.yaml", "# nothing yet\n").is_ok());
}

#[test]
fn an_environment_that_is_not_there_is_refused_with_the_nearest() {
    let fault = merged(&["--env", "prd"], &[]).unwrap_err();
    assert_eq!(fault.refusal().unwrap().help.as_deref(), Some("did you mean --env prod?"));
}

#[test]
fn references_that_lead_nowhere_are_refused() {
    let unset = merged(&["--env", "staging"], &[]).unwrap_err();
    assert_eq!(unset.refusal().unwrap().code, Code::BadConfig);
    let gone = merged(&["--url", "file:/nowhere/at/all"], &[]).unwrap_err();
    assert_eq!(gone.refusal().unwrap().code, Code::UnreadableFile);
}

#[test]
fn no_database_names_the_environments() {
    let fault = merged(&[], &[]).unwrap().need_database().unwrap_err();
    let refusal = fault.refusal().unwrap();
    assert_eq!((refusal.code, refusal.code.exit()), (Code::NoUrl, 2));
    assert!(refusal.notes[0].contains("local, prod, staging"));
}

/// An environment that cofferdam.yaml has is that one; without any there it is a name for the audit.
#[test]
fn an_environment_of_a_project_is_one_of_the_file_or_a_name() {
    const HERE: &str =
        "environments: {prod: {url: 'postgres://prod', databases: {reports: 'postgres://reports'}}}";
    let of = |text: &str, arguments: &[&str], environment: Option<&str>| {
        let file = file::parsed("cofferdam.yaml", text).unwrap();
        let url = |name: &str| (name == "DATABASE_URL").then(|| "postgres://left-over".to_owned());
        Settings::merged_in(&common(arguments), environment, &url, file)
    };
    let found = of(HERE, &[], Some("prod")).unwrap();
    assert_eq!((found.url.as_deref(), found.environment.as_deref()), (Some("postgres://prod"), Some("prod")));
    assert_eq!(of(HERE, &[], Some("stage")).unwrap_err().refusal().unwrap().code, Code::BadConfig);
    assert_eq!(of(HERE, &["--env", "prod"], Some("stage")).unwrap_err().refusal().unwrap().code, Code::Usage);
    assert_eq!(of(HERE, &["--env", "prod"], Some("prod")).unwrap(), found);
    let named = of("dir: x", &[], Some("stage")).unwrap();
    assert_eq!(
        (named.url.as_deref(), named.environment.as_deref()),
        (Some("postgres://left-over"), Some("stage"))
    );
    let url = |name: &str, one: bool| found.of_database(name, one).unwrap().map(|own| own.url.unwrap());
    assert_eq!(url("reports", true).as_deref(), Some("postgres://reports"));
    assert_eq!(url("primary", true).as_deref(), Some("postgres://prod"));
    assert_eq!(url("primary", false), None);
}
