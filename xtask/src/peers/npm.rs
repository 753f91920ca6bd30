//! Peers from the registry of npm.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Peer, Use, executable, succeed};

pub(super) static DRIZZLE: Peer = Peer {
    name: "drizzle",
    version: "0.31.11",
    variable: "DRIZZLE",
    with: "",
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

pub(super) static AZURITE: Peer = Peer {
    name: "azurite",
    version: "3.37.0",
    variable: "AZURITE",
    with: "",
    note: "the emulator of Azure's storage that Microsoft publishes",
    uses: &[Use::Store],
    needs: &["npm", "node"],
    make: make_azurite,
};

/// `azurite blob ...` is its server of blobs; `azurite container PORT NAME` makes a container in it, as its only account.
const AZURITE_PROGRAM: &str = r#"#!/bin/sh
here=${0%/*}
case $1 in
blob) shift; exec node "$here/node_modules/azurite/dist/src/blob/main.js" "$@" ;;
container) shift; exec node "$here/container.mjs" "$@" ;;
esac
exit 2
"#;

const AZURITE_CONTAINER: &str = r#"import { createHmac } from "node:crypto";

const [port, name] = process.argv.slice(2);
const account = "devstoreaccount1";
const key =
  "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const date = new Date().toUTCString();
const version = "2021-12-02";
const signed =
  "PUT" + "\n".repeat(12) + `x-ms-date:${date}\nx-ms-version:${version}\n` +
  `/${account}/${account}/${name}\nrestype:container`;
const signature = createHmac("sha256", Buffer.from(key, "base64")).update(signed, "utf8").digest("base64");
const answer = await fetch(`http://127.0.0.1:${port}/${account}/${name}?restype=container`, {
  method: "PUT",
  headers: {
    "x-ms-date": date,
    "x-ms-version": version,
    authorization: `SharedKey ${account}:${signature}`,
  },
});
if (answer.status !== 201) {
  console.error(answer.status, await answer.text());
  process.exit(1);
}
"#;

fn make_azurite(peer: &Peer, folder: &Path) -> Result<(), String> {
    install(peer, folder, &[("azurite", peer.version)], ("container.mjs", AZURITE_CONTAINER), AZURITE_PROGRAM)
}

fn make(peer: &Peer, folder: &Path) -> Result<(), String> {
    let packages = [("drizzle-kit", peer.version), ("drizzle-orm", ORM), ("pg", DRIVER)];
    install(peer, folder, &packages, ("migrate.mjs", MIGRATE), PROGRAM)
}

/// Packages, a script beside them, and the program that starts both.
fn install(
    peer: &Peer,
    folder: &Path,
    packages: &[(&str, &str)],
    script: (&str, &str),
    program: &str,
) -> Result<(), String> {
    let wanted: Vec<String> =
        packages.iter().map(|(name, version)| format!(r#""{name}":"{version}""#)).collect();
    let package = format!(
        r#"{{"name":"peers","version":"1.0.0","private":true,"dependencies":{{{}}}}}"#,
        wanted.join(",")
    );
    for (name, text) in [("package.json", package.as_str()), script, (peer.name, program)] {
        fs::write(folder.join(name), text).map_err(|e| format!("{name}: {e}"))?;
    }
    let quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
    succeed(Command::new("npm").arg("install").args(quiet).current_dir(folder))?;
    executable(&folder.join(peer.name))
}
