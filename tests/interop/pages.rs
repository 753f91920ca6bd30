//! The commands of docs/coming-from.md, as they stand there.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use crate::migrations::{HALF, MOST};
use crate::site::{Site, with_every_tool};
use crate::support::{ended, server};

const PAGE: &str = include_str!("../../docs/coming-from.md");

/// The tool applied a half; somebody who reads the section types what is in it.
#[test]
fn the_commands_of_each_section_do_what_they_promise() {
    with_every_tool("page", |site| {
        let commands = commands(site.tool.name);
        assert!(commands.contains("cofferdam import") && commands.contains("cofferdam apply"), "{commands}");
        site.write(HALF).applies();
        site.write(MOST);
        settings(site);
        let mut shell = Command::new("sh");
        let path = std::env::var("PATH").unwrap();
        let folder = site.bench().folder.path();
        shell
            .args(["-e", "-u", "-c", &commands])
            .env("PATH", format!("{}:{path}", folder.join("bin").display()))
            .env("DATABASE_URL", site.url())
            .env("FLYWAY_URL", format!("jdbc:postgresql://{}?sslmode=disable", site.address()))
            .env("FLYWAY_USER", server().superuser())
            .env("FLYWAY_PASSWORD", "")
            .env("FLYWAY_LOCATIONS", "filesystem:migrations")
            .env("NO_COLOR", "1")
            .env("ATLAS_NO_UPDATE_NOTIFIER", "1")
            .env_remove("COFFERDAM_URL")
            .current_dir(folder);
        let ended = ended(&mut shell);
        assert_eq!(ended.code, 0, "{commands}\n{}\n{}", ended.stdout, ended.stderr);
        // What is left is what the tool alone would have left, and the tool had nothing to do.
        site.we_agree().agrees(MOST, 0).assert_as_by_the_tool_alone(MOST);
        let applied = site.one("SELECT count(*) FROM cofferdam.run WHERE phase = 'Done'");
        assert_eq!(applied, (MOST - HALF).to_string(), "by Cofferdam");
    });
}

/// Everything that is in the first block of a tool's section.
fn commands(tool: &str) -> String {
    let title = match tool {
        "flyway" => "Flyway",
        "atlas" => "Atlas",
        "drizzle" => "Drizzle",
        other => other,
    };
    let (_, section) = PAGE.split_once(&format!("\n### {title}\n")).expect("a section for each tool");
    let section = section.split_once("\n### ").map_or(section, |(section, _)| section);
    let (_, block) = section.split_once("```sh\n").expect("its commands");
    block.split_once("```").expect("an end").0.to_owned()
}

/// What stands on the reader's machine: the programs by their names, and the settings that the page shows.
fn settings(site: &Site) {
    let folder = site.bench().folder.path();
    let bin = folder.join("bin");
    std::fs::create_dir(&bin).unwrap();
    symlink(env!("CARGO_BIN_EXE_cofferdam"), bin.join("cofferdam")).unwrap();
    let program = std::env::var(site.tool.variable).unwrap();
    let (name, first) = match site.tool.name {
        "golang-migrate" => ("migrate", ""),
        "drizzle" => ("drizzle-kit", "kit "),
        other => (other, ""),
    };
    // A script, because some of the programs look beside themselves.
    let script = format!("#!/bin/sh\nexec '{program}' {first}\"$@\"\n");
    std::fs::write(bin.join(name), script).unwrap();
    std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (_, yaml) = PAGE.split_once("```yaml\n").expect("the settings");
    std::fs::write(folder.join("cofferdam.yaml"), yaml.split_once("```").expect("an end").0).unwrap();
    let kit = serde_json::json!({
        "dialect": "postgresql", "out": "./migrations", "dbCredentials": { "url": site.url() },
    });
    std::fs::write(folder.join("drizzle.config.json"), kit.to_string()).unwrap();
}
