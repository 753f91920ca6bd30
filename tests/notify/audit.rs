//! What the record says, and what shows when somebody changed it.

use serde_json::Value;

use crate::receiver::Receiver;
use crate::support::Bench;
use crate::told::{bench, run};

fn audited(bench: &Bench, arguments: &[&str]) -> Value {
    let all = [&["audit", "-o", "json"], arguments].concat();
    serde_json::from_str(&run(bench, &all, 0).stdout).unwrap()
}

fn rows(document: &Value) -> &Vec<Value> {
    document["rows"].as_array().unwrap()
}

#[test]
fn who_from_where_what_which_environment_when_digest_and_outcome() {
    let bench = bench("audit", &Receiver::start());
    run(&bench, &["apply", "2"], 0);
    let all = audited(&bench, &[]);
    let row = &rows(&all)[0];
    assert_eq!(
        (&row["environment"], &row["key"], &row["outcome"]),
        (&"prod".into(), &"1".into(), &"Done".into())
    );
    assert!(row["planDigest"].as_str().unwrap().starts_with("sha256:"), "{row}");
    for key in ["actor", "host", "at", "text", "hash", "run"] {
        assert!(row[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {row}");
    }
    let id = row["run"].as_str().unwrap();
    let own = audited(&bench, &["--run", id]);
    assert!(rows(&own).len() < rows(&all).len() && rows(&own).iter().all(|row| row["run"] == id));
    assert_eq!(rows(&audited(&bench, &["--actor", "[PROD]"])).len(), rows(&all).len());
    assert_eq!(rows(&audited(&bench, &["--actor", "nobody at all"])).len(), 0);
    assert_eq!(rows(&audited(&bench, &["--since", "24h"])).len(), rows(&all).len());
    assert_eq!(rows(&audited(&bench, &["--since", "2999-01-01"])).len(), 0);
    let csv = run(&bench, &["audit", "-o", "csv"], 0).stdout;
    assert!(csv.starts_with("seq,at,actor,host,pipeline,environment,run,"), "{csv}");
    assert_eq!(csv.matches("\r\n").count(), rows(&all).len() + 1);
    run(&bench, &["status", "-o", "csv"], 2);
    run(&bench, &["audit", "-o", "yaml"], 0);
    run(&bench, &["audit"], 0);
}

#[test]
fn a_row_that_is_changed_taken_out_or_cut_off_shows() {
    let bench = bench("tampered", &Receiver::start());
    run(&bench, &["apply", "1"], 0);
    let history = run(&bench, &["history"], 0).stdout;
    let head = history.trim().rsplit(' ').next().unwrap().to_owned();
    assert_eq!(head.len(), 64, "{history}");
    run(&bench, &["apply", "1"], 0);
    run(&bench, &["audit", "verify"], 0);
    run(&bench, &["audit", "verify", "--head", &head], 0);
    let last = audited(&bench, &[])["head"]["hash"].as_str().unwrap().to_owned();
    run(&bench, &["audit", "verify", "--head", &last[..20]], 0);
    run(&bench, &["audit", "verify", "--head", "short"], 2);
    bench.query("CREATE TABLE kept AS TABLE cofferdam.journal");
    // The last row is cut off: the chain alone cannot tell.
    bench.query("DELETE FROM cofferdam.journal WHERE seq = (SELECT max(seq) FROM cofferdam.journal)");
    run(&bench, &["audit", "verify"], 0);
    let done = run(&bench, &["audit", "verify", "--head", &last], 7);
    assert!(done.stdout.contains("rows were cut off"), "{}", done.stdout);
    for change in [
        "UPDATE cofferdam.journal SET who = 'somebody else' WHERE seq = 2",
        "DELETE FROM cofferdam.journal WHERE seq = 2",
    ] {
        bench.query("TRUNCATE cofferdam.journal; INSERT INTO cofferdam.journal TABLE kept");
        run(&bench, &["audit", "verify"], 0);
        bench.query(change);
        let done = run(&bench, &["audit", "verify", "-o", "json"], 7);
        let document: Value = serde_json::from_str(&done.stdout).unwrap();
        assert_eq!(document["whole"], false, "{change}: {document}");
    }
}

#[test]
fn a_page_for_a_change_ticket_is_one_file_that_loads_nothing() {
    let bench = bench("page", &Receiver::start());
    bench.file("V2__b.sql", "CREATE TABLE \"<script>alert(1)</script>\" (\"</pre><img src=x>\" int);\n");
    run(&bench, &["apply", "2"], 0);
    let id = bench.one("SELECT id FROM cofferdam.run WHERE key = '2'");
    let file = bench.folder.path().join("change.html");
    run(&bench, &["history", &id, "--html", file.to_str().unwrap()], 0);
    let page = std::fs::read_to_string(&file).unwrap();
    assert!(page.contains("<svg") && page.contains("&lt;script&gt;"), "{page}");
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("src=\""), "{page}");
    assert_eq!(run(&bench, &["history", &id, "--html", "-"], 0).stdout, page);
    run(&bench, &["history", &id, "--html", "/nowhere/at/all.html"], 2);
    run(&bench, &["history", "--html", "x"], 2);
}
