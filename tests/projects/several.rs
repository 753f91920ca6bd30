//! A project with several databases.

use super::site::{PROJECT, Site, json};
use super::support::{Bench, Ended, ended};

/// The example with two databases, and a cofferdam.yaml that says where they are.
struct Two {
    site: Site,
    other: Bench,
}

const ONE: &str = "    primary:\n      type: postgresql\n";

impl Two {
    fn new(name: &str) -> Self {
        let two =
            Self { site: Site::new(name).without_backups(), other: Bench::new(&format!("{name}_other")) };
        two.site
            .configure(ONE, &format!("    reporting:\n      type: postgresql\n      name: reports\n{ONE}"));
        let file = format!(
            "environments:\n  staging:\n    databases:\n      primary: env:PRIMARY_URL\n      reporting: {}\n",
            two.other.url
        );
        std::fs::write(two.site.bench.folder.path().join("cofferdam.yaml"), file).unwrap();
        two
    }

    fn run(&self, verb: &str, version: &str, more: &[&str]) -> Ended {
        let mut command = self.site.command(verb, version, &[&["--environment", "staging"], more].concat());
        ended(command.env_remove("COFFERDAM_URL").env("PRIMARY_URL", &self.site.bench.url))
    }

    fn must(&self, verb: &str, version: &str, more: &[&str]) -> Ended {
        let ended = self.run(verb, version, more);
        assert_eq!(ended.code, 0, "{verb}\n{}\n{}", ended.stdout, ended.stderr);
        ended
    }

    fn versions(&self) -> [String; 2] {
        let query = "SELECT project_version FROM project_metadata";
        let there = |bench: &Bench| match bench.one("SELECT to_regclass('project_metadata')").as_str() {
            "NULL" => String::new(),
            _ => bench.one(query),
        };
        [there(&self.other), there(&self.site.bench)]
    }
}

#[test]
fn databases_are_changed_in_their_order_each_with_its_journal() {
    let two = Two::new("order");
    let shown = json(&two.must("install", "v1.0.0", &["-o", "json"]).stdout);
    let names: Vec<&str> =
        shown["databases"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["reporting", "primary"], "{shown}");
    two.must("upgrade", "v1.1.0", &[]);
    assert_eq!(two.versions(), ["v1.1.0", "v1.1.0"]);
    let first = |bench: &Bench| bench.one("SELECT min(at) FROM cofferdam.journal WHERE seq > 5");
    assert!(first(&two.other) < first(&two.site.bench));
    assert_eq!((two.other.history().len(), two.site.bench.history().len()), (6, 6));
    two.must("rollback", "v1.0.0", &["--yes"]);
    assert_eq!(two.versions(), ["v1.0.0", "v1.0.0"]);
    let status = json(&two.must("status", "", &["-o", "json"]).stdout);
    assert_eq!(status["databases"].as_array().unwrap().len(), 2, "{status}");
    two.other.assert_sound();
    two.site.bench.assert_sound();
}

/// What must not be done in the second stops before the first; without the policy, when its turn comes.
#[test]
fn the_plan_of_every_database_is_judged_before_the_first_is_changed() {
    for (policy, first) in [("true", "v1.0.0"), ("false", "v1.1.0")] {
        let two = Two::new("ahead");
        two.must("install", "v1.0.0", &[]);
        two.site.configure("dry_run_first: true", &format!("dry_run_first: {policy}"));
        two.site.bench.query("UPDATE project_metadata SET project_version = 'v1.1.0'");
        let ended = two.run("upgrade", "v1.1.0", &[]);
        assert_eq!(ended.code, 9, "{}", ended.stderr);
        assert_eq!(two.versions()[0], first, "{policy}: {}", ended.stderr);
        assert_eq!(ended.stderr.contains("done before it: reporting"), policy == "false", "{}", ended.stderr);
        two.site.bench.query("UPDATE project_metadata SET project_version = 'v1.0.0'");
        two.must("upgrade", "v1.1.0", &[]);
        assert_eq!(two.versions(), ["v1.1.0", "v1.1.0"]);
    }
}

/// Killed between the two databases, the same command goes on with the second.
#[test]
fn one_that_was_cut_off_between_two_databases_goes_on() {
    let two = Two::new("between");
    let mut command = two.site.command("install", "v1.0.0", &["--environment", "staging"]);
    command.env_remove("COFFERDAM_URL").env("PRIMARY_URL", &two.site.bench.url);
    let killed = ended(command.env("COFFERDAM_FAILPOINT", "claim.locked=kill@2"));
    assert_eq!(killed.code, -1, "{}", killed.stderr);
    assert_eq!(two.versions(), ["v1.0.0", ""]);
    two.must("install", "v1.0.0", &[]);
    assert_eq!(two.versions(), ["v1.0.0", "v1.0.0"]);
}

#[test]
fn where_the_databases_are_must_be_said() {
    let two = Two::new("where");
    let refused = |more: &[&str], code: &str| {
        let ended = two.run("install", "v1.0.0", more);
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        assert!(ended.stderr.contains(code), "{code}: {}", ended.stderr);
    };
    refused(&["--url", &two.other.url], "CF3705");
    refused(&["--database", "primry"], "did you mean --database primary?");
    let file = two.site.bench.folder.path().join("cofferdam.yaml");
    std::fs::write(&file, "environments: {staging: {databases: {primary: 'env:PRIMARY_URL'}}}").unwrap();
    refused(&[], "reporting: env:REPORTING_URL");
    assert_eq!(two.versions(), ["", ""]);
    // One by one.
    two.must("install", "v1.0.0", &["--database", "primary"]);
    two.must("install", "v1.0.0", &["--database", "reporting", "--url", &two.other.url]);
    assert_eq!(two.versions(), ["v1.0.0", "v1.0.0"]);
}

#[test]
fn a_database_whose_scripts_are_not_run_is_left_to_its_own() {
    let site = Site::new("mongo").without_backups();
    site.configure(ONE, &format!("    catalog:\n      type: mongodb\n      name: c\n{ONE}"));
    site.refused("install", "v1.0.0", &[], "CF3703", 2);
    site.refused("install", "v1.0.0", &["--database-type", "mongodb"], "CF3703", 2);
    site.refused("install", "v1.0.0", &["--database-type", "mysql"], "CF3680", 2);
    site.refused("install", "v1.0.0", &["--database-type", "postgres"], "postgresql", 2);
    site.must("install", "v1.0.0", &["--database-type", "postgresql"]);
    assert_eq!(site.status_of_postgresql(), "v1.0.0");
    assert!(site.bench.one("SELECT project_name FROM project_metadata") == PROJECT);
}

impl Site {
    fn status_of_postgresql(&self) -> String {
        let ended = self.must("status", "", &["--database-type", "postgresql", "-o", "json"]);
        json(&ended.stdout)["databases"][0]["version"].as_str().unwrap_or_default().to_owned()
    }
}
