//! Servers that cannot be reached, and users who may not do what is needed.

use cofferdam_core::Code;
use cofferdam_scratch::mysql::{Kind, Options};

use crate::site::{Site, own_server};

on_both! {
    urls_that_are_none,
    servers_that_are_not_there,
    logins_that_are_refused,
    a_database_that_is_not_there,
    a_server_that_takes_no_writes,
    rights_that_are_missing,
    a_journal_that_no_transaction_takes_back,
    rows_of_a_table_without_transactions,
}

const T: (&str, &str) = ("V1__t.sql", "CREATE TABLE t (id int PRIMARY KEY);\n");

/// `apply` at this URL is refused with this code and these words, and the password is in none of them.
#[track_caller]
fn refused(site: &Site, url: &str, code: Code, says: &[&str]) {
    let ended = site.at(url, &["apply"]);
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.code, i32::from(code.exit()), "{url}: {said}");
    assert!(said.contains(&format!("error[{}]", code.id())), "{url}: {said}");
    assert!(said.contains("help: "), "{url}: {said}");
    assert!(!said.contains("kanarie"), "{said}");
    for words in says {
        assert!(said.contains(words), "{url} does not say {words:?}: {said}");
    }
}

fn urls_that_are_none(kind: Kind) {
    let Some(site) = Site::with(kind, "urls", &[T]) else { return };
    for (url, says) in [
        ("mysq://me:kanarie@localhost/shop", &["did you mean mysql://?"][..]),
        ("mysql://localhost/shop", &["no user is named"]),
        ("mysql://me:kanarie@localhost", &["no database"]),
        ("mariadb://me:kanarie@localhost/shop?sslmod=required", &["sslmod", "ssl-mode"]),
        ("mysql://me:kanarie@localhost/shop?ssl-mode=preferred", &["preferred", "verify-identity"]),
        ("mysql://me:kanarie@localhost:port/shop", &[]),
    ] {
        refused(&site, url, Code::BadUrl, says);
    }
    assert!(site.untouched());
}

fn servers_that_are_not_there(kind: Kind) {
    let Some(site) = Site::with(kind, "away", &[T]) else { return };
    // Nobody listens there. One that was free a moment ago may be that of another test's server by now.
    refused(&site, "mysql://me:kanarie@127.0.0.1:1/shop", Code::ConnectFailed, &["127.0.0.1"]);
    refused(
        &site,
        "mariadb://me:kanarie@nosuchhost.invalid/shop?ssl-mode=disabled",
        Code::ConnectFailed,
        &["nosuchhost.invalid"],
    );
    refused(
        &site,
        "mysql://me:kanarie@localhost/shop?socket=/nonexistent",
        Code::ConnectFailed,
        &["/nonexistent"],
    );
    // Something else listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = std::io::Write::write_all(&mut stream.unwrap(), b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    refused(
        &site,
        &format!("mysql://me:kanarie@127.0.0.1:{port}/shop"),
        Code::ConnectFailed,
        &["MySQL or MariaDB"],
    );
}

fn logins_that_are_refused(kind: Kind) {
    let options = Options { password: Some("right".into()), ..Options::default() };
    let Some(server) = own_server(kind, &options) else { return };
    let Some(site) = Site::with(kind, "logins", &[T]) else { return };
    let right = server.create_database("shop").unwrap();
    for url in [
        right.replace(":right@", ":kanarie@"),
        right.replace(":right@", "@"),
        right.replace("root:right@", "nobody:kanarie@"),
    ] {
        refused(&site, &url, Code::AuthFailed, &["shop"]);
    }
    let ended = site.at(&right, &["apply"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    // The variable of the programs mysql and mariadb is the password of a URL without one.
    let by_variable = crate::support::ended(
        site.elsewhere(&right.replace(":right@", "@"), &["status"]).env("MYSQL_PWD", "right"),
    );
    assert_eq!(by_variable.code, 0, "{}", by_variable.stderr);
}

fn a_database_that_is_not_there(kind: Kind) {
    let Some(site) = Site::with(kind, "missing", &[T]) else { return };
    let url = site.url.replace(&site.database, "no_such_shop");
    refused(&site, &url, Code::DatabaseMissing, &["no_such_shop", "CREATE DATABASE"]);
    assert_eq!(site.query("SHOW DATABASES LIKE 'no_such_shop'").len(), 0, "nothing was made");
}

fn a_server_that_takes_no_writes(kind: Kind) {
    let Some(server) = own_server(kind, &Options::default()) else { return };
    let Some(site) = Site::with(kind, "read_only", &[T]) else { return };
    let url = server.create_database("shop").unwrap();
    server.query(None, "SET GLOBAL read_only = ON").unwrap();
    refused(&site, &url, Code::ReadOnlyServer, &["primary"]);
    assert!(server.query(Some("shop"), "SHOW TABLES").unwrap().is_empty());
}

/// What is missing is named before anything is done, as far as it can be seen; the rest the server refuses, and nothing
/// of it stays.
fn rights_that_are_missing(kind: Kind) {
    let Some(site) = Site::with(kind, "rights", &[T]) else { return };
    let user = format!("worker_{}", site.database);
    let url = site.url.replacen("root@", &format!("{user}:kanarie@"), 1);
    let database = &site.database;
    site.query(&format!("CREATE USER '{user}'@'127.0.0.1' IDENTIFIED BY 'kanarie'"));
    refused(&site, &url, Code::PermissionMissing, &[database]);
    // May read, and nothing else: looking works, and what would write is refused before anything is there.
    site.query(&format!("GRANT SELECT ON `{database}`.* TO '{user}'@'127.0.0.1'"));
    for command in ["status", "plan", "history", "validate"] {
        let ended = site.at(&url, &[command]);
        assert_eq!(ended.code, 0, "{command}: {}\n{}", ended.stdout, ended.stderr);
    }
    let own = format!("GRANT INSERT, UPDATE, DELETE, CREATE ON `{database}`.* TO '{user}'@'127.0.0.1';");
    let doctor = site.at(&url, &["doctor"]);
    assert!(doctor.code != 0 && doctor.stdout.contains(&own), "{}\n{}", doctor.stdout, doctor.stderr);
    let table = format!("GRANT CREATE, DROP ON `{database}`.`t` TO '{user}'@'127.0.0.1';");
    refused(&site, &url, Code::PermissionMissing, &[&own, &table]);
    assert!(site.untouched() && site.tables().is_empty());
    // May keep the journal, and not do what the script says.
    site.must(&["apply"]);
    site.query(&format!("GRANT INSERT, UPDATE, DELETE ON `{database}`.* TO '{user}'@'127.0.0.1'"));
    site.file("V2__a.sql", "ALTER TABLE t ADD COLUMN a int;\n");
    let before = site.schema();
    let alter = format!("GRANT ALTER ON `{database}`.`t` TO '{user}'@'127.0.0.1';");
    refused(&site, &url, Code::PermissionMissing, &[&alter]);
    assert_eq!((site.schema(), site.history().len()), (before, 1));
    // What is printed is what helps, by way of a role, too.
    site.query(&format!(
        "CREATE ROLE changes_{database}; GRANT ALTER ON `{database}`.`t` TO changes_{database}"
    ));
    site.query(&format!("GRANT changes_{database} TO '{user}'@'127.0.0.1'"));
    refused(&site, &url, Code::PermissionMissing, &[&alter]);
    site.query(&match kind {
        Kind::MySql => format!("SET DEFAULT ROLE changes_{database} TO '{user}'@'127.0.0.1'"),
        Kind::MariaDb => format!("SET DEFAULT ROLE changes_{database} FOR '{user}'@'127.0.0.1'"),
    });
    let ended = site.at(&url, &["apply"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    // What no head of a statement shows, here DROP of what is renamed, is the server's to refuse, and is taken back.
    site.query(&format!("GRANT CREATE, ALTER ON `{database}`.`u` TO '{user}'@'127.0.0.1'"));
    site.file("V3__b.sql", "ALTER TABLE t ADD COLUMN b int;\nALTER TABLE t RENAME TO u;\n");
    let before = site.schema();
    let ended = site.at(&url, &["apply", "--allow", "rename-table=planted"]);
    assert_eq!(ended.code, 6, "{}\n{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("denied"), "{}", ended.stderr);
    assert_eq!((site.schema(), site.history().len()), (before.clone(), 2));
    site.remove("V3__b.sql");
    site.file("V3__c.sql", "CREATE TRIGGER c BEFORE INSERT ON t FOR EACH ROW SET @a = 1;\n");
    let trigger = format!("GRANT TRIGGER ON `{database}`.`t` TO '{user}'@'127.0.0.1';");
    refused(&site, &url, Code::PermissionMissing, &[&trigger]);
    site.query(&trigger);
    // With a binary log it takes more; and since nothing takes a trigger back, a person is asked.
    let ended = site.at(&url, &["apply"]);
    assert_eq!(ended.code, 7, "{}\n{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("who has the right SUPER"), "{}", ended.stderr);
    assert_eq!((site.schema(), site.history().len()), (before, 2));
    site.query(&format!("GRANT SUPER ON *.* TO '{user}'@'127.0.0.1'"));
    let run = site.one("SELECT id FROM _cofferdam_run WHERE ended_at IS NULL");
    site.must(&["repair", &run, "--says", "contract-began"]);
    let ended = site.at(&url, &["apply"]);
    assert_eq!((ended.code, site.history().len()), (0, 3), "{}", ended.stderr);
    site.assert_sound();
}

fn a_journal_that_no_transaction_takes_back(kind: Kind) {
    let Some(site) = Site::with(kind, "myisam", &[T]) else { return };
    site.must(&["apply"]);
    site.query("ALTER TABLE _cofferdam_journal ENGINE = MyISAM");
    site.file("V2__a.sql", "ALTER TABLE t ADD COLUMN a int;\n");
    let before = site.schema();
    refused(
        &site,
        &site.url,
        Code::JournalNotTransactional,
        &["_cofferdam_journal", "MyISAM", "ENGINE = InnoDB"],
    );
    assert_eq!((site.schema(), site.history().len()), (before, 1));
    site.query("ALTER TABLE _cofferdam_journal ENGINE = InnoDB");
    site.must(&["apply"]);
    site.assert_sound();
}

/// Rows of MyISAM are there at once, whatever becomes of the transaction: each such statement is a step of its own, and
/// a person is asked where its end is not known.
fn rows_of_a_table_without_transactions(kind: Kind) {
    let Some(site) = Site::with(kind, "rows", &[T]) else { return };
    site.must(&["apply"]);
    site.query("CREATE TABLE old (id int PRIMARY KEY) ENGINE = MyISAM");
    site.file("V2__old.sql", "INSERT INTO old VALUES (1);\n");
    let mut command = site.command(&["apply"]);
    command.env("COFFERDAM_FAILPOINT", "loose.performed=kill");
    let killed = crate::support::ended(&mut command);
    assert_ne!(killed.code, 0, "it stands outside of any transaction: {}", killed.stderr);
    let asked = site.run(&["apply", "--lock-wait", "30s"]);
    assert_eq!(asked.code, 7, "{}\n{}", asked.stdout, asked.stderr);
    assert_eq!(site.one("SELECT COUNT(*) FROM old"), "1", "it was not done once more");
    let run = site.one("SELECT id FROM _cofferdam_run WHERE ended_at IS NULL");
    let fact = if asked.stderr.contains("contract-step-done") { "contract-step-done" } else { "step-done" };
    site.must(&["repair", &run, "--says", fact]);
    site.must(&["apply"]);
    assert_eq!((site.one("SELECT COUNT(*) FROM old"), site.history().len()), ("1".into(), 2));
    site.assert_sound();
}
