//! Real servers of object stores: the same cases for each of them.

use std::process::Stdio;
use std::time::Duration;

use crate::store::{BUCKET, IDENTITY, Kind, PUBLIC, Store};
use crate::support::{Bench, Ended, ended, wait};

/// A table of several parts, which cannot be packed much, and what hangs on it.
const SHOP: &str = "CREATE TABLE items (id int PRIMARY KEY, v text);
 INSERT INTO items SELECT i, string_agg(md5(i || ' ' || n), '') FROM generate_series(1, 20000) i, generate_series(1, 47) n GROUP BY i;
 CREATE TABLE kept (id int); INSERT INTO kept VALUES (1); CREATE SCHEMA rescue";
const AGREED: &str = "--allow=drop-table=a test";
const SUM: &str = "SELECT count(*) || ' ' || md5(string_agg(v, '' ORDER BY id)) FROM";

struct Shop {
    bench: Bench,
    store: Store,
}

/// The same for every kind of store whose server is here.
fn each(test: &str, case: impl Fn(&Shop)) {
    for kind in Kind::ALL {
        let Some(store) = Store::start(kind, test) else { continue };
        let bench = Bench::new(&format!("store_{}_{}", kind.word(), test.len()));
        bench.query(SHOP);
        bench.file("V1__drop.sql", "ALTER TABLE kept ADD COLUMN more text;\nDROP TABLE items;");
        let shop = Shop { bench, store };
        case(&shop);
        shop.bench.assert_sound();
    }
}

impl Shop {
    fn with(&self, arguments: &[&str], variables: &[(String, String)]) -> std::process::Command {
        let mut command = self.bench.command(arguments);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        ended(&mut self.with(arguments, &self.store.variables()))
    }

    fn must(&self, arguments: &[&str]) -> Ended {
        let done = self.run(arguments);
        assert_eq!(done.code, 0, "{:?} {arguments:?}\n{}\n{}", self.store.kind, done.stdout, done.stderr);
        done
    }

    fn sum(&self, table: &str) -> String {
        self.bench.one(&format!("{SUM} {table}"))
    }

    /// The names of the backups that there are.
    fn listed(&self) -> Vec<String> {
        let done = self.must(&["backup", "list", "--to", &self.store.url(), "-o", "json"]);
        let document: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
        let data = document.get("data").unwrap_or(&document);
        let backups = data["backups"].as_array().unwrap_or_else(|| panic!("{document:#}"));
        backups.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    }

    /// It was refused with this code before anything was changed, and no key is in what it said.
    fn untouched(&self, ended: &Ended, code: &str, before: &str) {
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(
            ended.code == 1 && said.contains(code),
            "{:?} {code}: {} {said}",
            self.store.kind,
            ended.code
        );
        assert!(!said.contains("canary"), "{said}");
        assert_eq!(self.sum("items"), before, "{code}");
        assert_eq!(
            self.bench.one(
                "SELECT count(*) FROM pg_attribute WHERE attrelid = 'kept'::regclass AND attname = 'more'"
            ),
            "0"
        );
    }
}

#[test]
fn there_and_back_and_pruned() {
    each("there_and_back_and_pruned", |shop| {
        let (before, to) = (shop.sum("items"), shop.store.url());
        let done = shop.must(&["apply", AGREED, "--backup-to", &to]);
        assert!(done.stderr.contains("verified"), "{}", done.stderr);
        assert_eq!(shop.bench.one("SELECT to_regclass('items')"), "NULL");
        let [id] = shop.listed().try_into().unwrap();
        shop.must(&["backup", "verify", &id, "--to", &to]);
        shop.must(&["restore", &id, "--to", &to, "--into", "rescue"]);
        assert_eq!(shop.sum("rescue.items"), before);
        // The way back brings it where it was.
        shop.must(&["rollback", "--restore", "--yes"]);
        assert_eq!(shop.sum("items"), before);
        // Encrypted, and another one of them is not needed any more.
        shop.must(&["backup", "--to", &to, "--encrypt-to", PUBLIC, "--table", "items"]);
        let second = shop.listed().into_iter().find(|other| *other != id).unwrap();
        let file = shop.bench.folder.path().join("key.txt");
        std::fs::write(&file, IDENTITY).unwrap();
        let key = file.to_str().unwrap();
        let locked = shop.run(&["restore", &second, "--to", &to, "--into", "rescue", "--replace", "--yes"]);
        assert!(locked.code == 1 && locked.stderr.contains("CF32"), "{}", locked.stderr);
        shop.must(&[
            "restore",
            &second,
            "--to",
            &to,
            "--into",
            "rescue",
            "--replace",
            "--yes",
            "--identity",
            key,
        ]);
        assert_eq!(shop.sum("rescue.items"), before);
        shop.must(&["backup", "prune", "--to", &to, "--keep", "1", "--yes"]);
        assert_eq!(shop.listed(), [second]);
    });
}

#[test]
fn a_wrong_key_and_a_wrong_bucket_refuse_before_anything_is_changed() {
    each("a_wrong_key_and_a_wrong_bucket", |shop| {
        let (before, to) = (shop.sum("items"), shop.store.url());
        let apply = ["apply", AGREED, "--backup-to", to.as_str()];
        shop.untouched(&ended(&mut shop.with(&apply, &shop.store.wrong_key())), "CF3202", &before);
        let nowhere = shop.store.in_bucket("nowhere");
        let refused = shop.run(&["apply", AGREED, "--backup-to", &nowhere]);
        shop.untouched(&refused, "CF3201", &before);
        assert_eq!(shop.listed(), Vec::<String>::new());
        shop.must(&apply);
        assert!(shop.store.url().contains(BUCKET) && shop.listed().len() == 1);
    });
}

/// The server's power fails while the second of several parts is on its way, and it comes back soon: the request is
/// tried again, and nobody notices. Where it stays away, the run is refused, and the same command does it later.
#[test]
fn a_server_that_dies_in_the_middle_of_an_upload() {
    each("a_server_that_dies_in_the_middle", |shop| {
        let (before, to) = (shop.sum("items"), shop.store.url());
        let apply = ["apply", AGREED, "--backup-to", to.as_str()];
        let cut = |back: Option<Duration>| {
            let from = shop.store.came();
            let mut child = shop
                .with(&apply, &shop.store.variables())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            while shop.store.came() < from + (5 << 20) {
                assert!(child.try_wait().unwrap().is_none(), "it ended before: {:?}", wait(child));
                std::thread::sleep(Duration::from_millis(5));
            }
            shop.store.down();
            if let Some(after) = back {
                std::thread::sleep(after);
                shop.store.up();
            }
            wait(child)
        };
        let refused = cut(None);
        shop.untouched(&refused, "CF32", &before);
        shop.store.up();
        // What lies there of it is no backup.
        assert_eq!(shop.listed(), Vec::<String>::new());
        let done = cut(Some(Duration::from_millis(500)));
        assert_eq!(done.code, 0, "{:?}: {}", shop.store.kind, done.stderr);
        let [id] = shop.listed().try_into().unwrap();
        shop.must(&["backup", "verify", &id, "--to", &to]);
        shop.must(&["restore", &id, "--to", &to, "--into", "rescue"]);
        assert_eq!(shop.sum("rescue.items"), before);
    });
}

/// The program dies in the middle of it, and is started again.
#[test]
fn a_runner_that_dies_in_the_middle_of_an_upload_is_repeated() {
    each("a_runner_that_dies_in_the_middle", |shop| {
        let (before, to) = (shop.sum("items"), shop.store.url());
        let apply = ["apply", AGREED, "--backup-to", to.as_str(), "--lock-wait", "30s"];
        for point in ["backup.table", "backup.before-manifest", "backup.sealed"] {
            let mut command = shop.with(&apply, &shop.store.variables());
            let killed = ended(command.env("COFFERDAM_FAILPOINT", format!("{point}=kill")));
            assert_ne!(killed.code, 0, "{point}");
            assert_eq!(shop.sum("items"), before, "{point}");
        }
        shop.must(&apply);
        let known =
            "SELECT entry->'backup'->>'location' FROM cofferdam.journal WHERE entry->>'what' = 'backed-up'";
        let known = shop.bench.query(known);
        assert_eq!(known.len(), 1);
        shop.must(&["restore", &known[0][0], "--into", "rescue"]);
        assert_eq!(shop.sum("rescue.items"), before);
    });
}
