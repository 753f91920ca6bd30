//! Peers from the registry of npm.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Peer, Use, executable, succeed};

pub(super) static DRIZZLE: Peer = Peer {
    name: "drizzle",
    version: "0.31.11",
    variable: "DRIZZLE",
    note: "drizzle-kit with the release of drizzle-orm that goes with it, and the driver `pg`",
    uses: &[Use::Judge],
    needs: &["npm", "node"],
    make,
};

/// Its library.
const ORM: &str = "0.45.4";

/// The driver.
const DRIVER: &str = "8.23.1";

/// `drizzle kit ARGUMENTS` is drizzle-kit; `drizzle orm FOLDER URL` is what an application does at its start. By the
/// place of the script, because the folder is renamed once all is in it.
const PROGRAM: &str = r#"#!/bin/sh
here=${0%/*}
case $1 in
kit) shift; exec node "$here/node_modules/drizzle-kit/bin.cjs" "$@" ;;
orm) shift; exec node "$here/migrate.mjs" "$@" ;;
esac
exit 2
"#;

const MIGRATE: &str = r#"import { drizzle } from "drizzle-orm/node-postgres";
import { migrate } from "drizzle-orm/node-postgres/migrator";
import pg from "pg";

const [folder, url] = process.argv.slice(2);
const client = new pg.Client({ connectionString: url });
await client.connect();
try {
  await migrate(drizzle(client), { migrationsFolder: folder });
} finally {
  await client.end();
}
"#;

fn make(peer: &Peer, folder: &Path) -> Result<(), String> {
    let package = format!(
        r#"{{"name":"peers","version":"1.0.0","private":true,"dependencies":{{"drizzle-kit":"{}","drizzle-orm":"{ORM}","pg":"{DRIVER}"}}}}"#,
        peer.version
    );
    for (name, text) in [("package.json", package.as_str()), ("migrate.mjs", MIGRATE), (peer.name, PROGRAM)] {
        fs::write(folder.join(name), text).map_err(|e| format!("{name}: {e}"))?;
    }
    let quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
    succeed(Command::new("npm").arg("install").args(quiet).current_dir(folder))?;
    executable(&folder.join(peer.name))
}
