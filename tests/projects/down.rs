//! A version that was installed directly goes back by the rollbacks of the files.

use super::site::Site;

/// The example, of which v1.1.0 can be installed without v1.0.0 before it.
fn installable(name: &str) -> Site {
    let site = Site::new(name).without_backups();
    let below = "versions/v1.1.0/new-install/postgresql";
    let old = site.path("versions/v1.0.0/new-install/postgresql");
    for stage in ["schema", "data", "indexes", "rollback", "validation"] {
        for entry in std::fs::read_dir(old.join(stage)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().replace("1.0.0.", "1.1.0.");
            let text = std::fs::read_to_string(&path).unwrap().replace("v1.0.0", "v1.1.0");
            site.put(&format!("{below}/{stage}/{name}"), &text);
        }
    }
    let upgrade = "versions/v1.1.0/upgrade/from-v1.0.0";
    for (from, to) in [
        ("schema-changes/V1.1.0.001__Add_orders_table.sql", "schema/V1.1.0.011__Add_orders_table.sql"),
        ("rollback/U1.1.0.001__Add_orders_table.sql", "rollback/U1.1.0.011__Add_orders_table.sql"),
        ("validation/C1.1.0.001__Add_orders_table.sql", "validation/C1.1.0.011__Add_orders_table.sql"),
        ("schema-changes/V1.1.0.002__Index_orders.sql", "indexes/V1.1.0.202__Index_orders.sql"),
        ("rollback/U1.1.0.002__Index_orders.sql", "rollback/U1.1.0.202__Index_orders.sql"),
        ("validation/C1.1.0.002__Index_orders.sql", "validation/C1.1.0.202__Index_orders.sql"),
    ] {
        let text = std::fs::read_to_string(site.path(&format!("{upgrade}/{from}"))).unwrap();
        site.put(&format!("{below}/{to}"), &text);
    }
    site
}

const DOWN: [&str; 3] = ["v1.0.0/from-1.1.0-001", "v1.0.0/from-1.1.0-002", "v1.0.0/from-1.1.0-300"];

#[test]
fn it_goes_back_by_the_scripts_of_its_upgrade_and_forth_again() {
    let site = installable("down");
    let other = Site::new("down_other");
    other.must("install", "v1.0.0", &[]);
    site.must("install", "v1.1.0", &[]);
    assert_eq!(site.applied().len(), 5, "by its own installation: {:?}", site.applied());
    site.bench
        .query("INSERT INTO orders (user_id, order_number, total_amount) VALUES (gen_random_uuid(), '1', 1)");

    let shown = site.must("rollback", "v1.0.0", &["--dry-run"]).stdout;
    assert!(
        shown.contains("v1.1.0 → v1.0.0") && shown.contains("Lost by this: the rows of orders"),
        "{shown}"
    );
    assert_eq!(site.version(), "v1.1.0");
    // What is lost must be agreed to.
    let before = site.bench.dump();
    assert_ne!(site.run("rollback", "v1.0.0", &[]).code, 0);
    assert_eq!(site.bench.dump(), before);

    site.must("rollback", "v1.0.0", &["--yes"]);
    assert_eq!((site.version(), site.bench.dump()), ("v1.0.0".to_owned(), other.bench.dump()));
    assert!(
        DOWN.iter().all(|key| site.applied().iter().any(|applied| applied == key)),
        "{:?}",
        site.applied()
    );
    assert!(site.must("rollback", "v1.0.0", &["--yes"]).stdout.contains("nothing"));
    site.must("upgrade", "v1.1.0", &["--from-version", "v1.0.0"]);
    assert_eq!(site.version(), "v1.1.0");
    // From now on by what is stored.
    site.must("rollback", "v1.0.0", &["--yes"]);
    assert_eq!((site.version(), site.bench.dump()), ("v1.0.0".to_owned(), other.bench.dump()));
    site.must("upgrade", "v1.1.0", &[]);
    let status = site.status();
    assert_eq!(status["databases"][0]["version"], "v1.1.0", "{status}");
    assert_eq!(site.bench.one("SELECT count(*) FROM cofferdam.run WHERE ended_at IS NULL"), "0");
}

/// Killed after each of its scripts, and in the midst of one.
#[test]
fn a_rollback_that_is_cut_off_goes_on() {
    for (number, failpoint) in
        ["run.done=kill@1", "run.done=kill@2", "run.done=kill@3", "atomic.before-commit=kill@1"]
            .iter()
            .enumerate()
    {
        let site = installable(&format!("down_cut_{number}"));
        site.must("install", "v1.1.0", &[]);
        assert_eq!(site.killed("rollback", "v1.0.0", failpoint, &["--yes"]).code, -1, "{failpoint}");
        if number == 0 {
            let said = site.refused("upgrade", "v1.1.0", &[], "CF3711", 2);
            assert!(said.contains("cofferdam rollback --project e-commerce-api --version v1.0.0"), "{said}");
        }
        site.must("rollback", "v1.0.0", &["--yes"]);
        assert_eq!(site.version(), "v1.0.0", "{failpoint}");
        assert_eq!(site.bench.one("SELECT to_regclass('orders') IS NULL"), "t", "{failpoint}");
        site.must("upgrade", "v1.1.0", &[]);
        assert_eq!(site.version(), "v1.1.0", "{failpoint}");
    }
}

#[test]
fn what_the_matrix_or_the_files_do_not_have_is_refused() {
    let site = installable("down_refused");
    site.must("install", "v1.1.0", &[]);
    let gone = site.path("versions/v1.1.0/upgrade/from-v1.0.0/rollback/U1.1.0.001__Add_orders_table.sql");
    let kept = std::fs::read(&gone).unwrap();
    std::fs::remove_file(&gone).unwrap();
    site.refused("rollback", "v1.0.0", &["--yes"], "CF3673", 2);
    std::fs::write(&gone, kept).unwrap();
    site.configure("rollback_to: [\"v1.0.0\"]", "rollback_to: []");
    site.refused("rollback", "v1.0.0", &["--yes"], "CF3670", 2);
}
