//! `--history tool`: the tool's table is the only history.

use crate::migrations::{ALL, HALF, MOST};
use crate::site::{Site, with_every_tool};

/// In turns, and back, with nothing of it in Cofferdam's own history.
#[test]
fn the_tools_table_alone_is_enough_for_both() {
    with_every_tool("the tool's history alone", alone);
}

pub(crate) fn alone(site: &Site) {
    let ours = |command: &[&str]| {
        let kept = ["--history", "tool", "--tool", site.tool.name];
        site.ours_must(&[command, &kept].concat());
    };
    site.write(HALF).applies();
    site.write(MOST);
    ours(&["apply", "--yes"]);
    ours(&["status", "--exit-code"]);
    site.agrees(MOST, 0);

    ours(&["rollback", "--yes"]);
    site.agrees(MOST - 1, 1);
    ours(&["apply", "--yes"]);
    ours(&["validate"]);
    site.agrees(MOST, 0);
    assert_eq!(site.one(&format!("SELECT count(*) FROM {}", site.own("history"))), "0");

    site.write(ALL).agrees(MOST, 1).applies().agrees(ALL, 0);
    ours(&["status", "--exit-code"]);
    site.assert_sound();
}

/// On an empty database, without the tool having ever been there.
#[test]
fn the_tools_table_alone_is_begun_by_cofferdam() {
    with_every_tool("the tool's history begun", begun);
}

pub(crate) fn begun(site: &Site) {
    site.write(MOST);
    let kept = ["--history", "tool", "--tool", site.tool.name];
    site.ours_must(&[&["apply", "--yes"], &kept[..]].concat());
    site.agrees(MOST, 0).assert_as_by_the_tool_alone(MOST);
    // Who begins to keep both takes over what is there.
    site.ours_must(&["import", "--yes"]);
    site.we_agree();
    assert_eq!(site.history().len(), MOST);
}
