//! Taking back in turns.

use crate::migrations::{HALF, MOST};
use crate::site::{Site, with_every_tool, with_those};
use crate::tools::well;

/// Cofferdam applied it and takes it back: to the tool it is pending, and it is applied by the tool.
#[test]
fn what_cofferdam_takes_back_is_pending_for_the_tool() {
    with_every_tool("back", pending_for_the_tool);
}

pub(crate) fn pending_for_the_tool(site: &Site) {
    site.write(HALF).applies();
    site.write(MOST).ours_must(&["apply", "--yes"]);
    site.agrees(MOST, 0);

    site.ours_must(&["rollback", "--yes"]);
    site.agrees(MOST - 1, 1);
    assert_eq!(site.ours(&["status", "--exit-code"]).code, 3, "pending for Cofferdam, too");
    site.applies().agrees(MOST, 0);
    site.we_agree();
}

/// The same with what the tool applied, of which Cofferdam has stored nothing: the way back is in the directory.
#[test]
fn cofferdam_takes_back_what_the_tool_applied() {
    // Nothing in Atlas' and Drizzle's directories says how to take something back.
    with_those("back of the tool's", |tool| !matches!(tool.name, "atlas" | "drizzle"), back_of_the_tools);
}

pub(crate) fn back_of_the_tools(site: &Site) {
    site.write(MOST).applies().agrees(MOST, 0);
    site.ours_must(&["rollback", "--yes", "--steps", "2"]);
    site.agrees(MOST - 2, 2);
    site.ours_must(&["apply", "--yes"]);
    site.we_agree().agrees(MOST, 0);
}

/// The tool takes back what Cofferdam applied. Its table then says nothing of it, as if it had been emptied: that it
/// was taken back has to be said.
#[test]
fn what_the_tool_takes_back_is_pending_for_cofferdam_once_the_tool_is_believed() {
    with_those("back by the tool", |tool| tool.back.is_some(), back_by_the_tool);
}

pub(crate) fn back_by_the_tool(site: &Site) {
    site.write(HALF).applies();
    site.write(MOST).ours_must(&["apply", "--yes"]);
    well(&(site.tool.back.unwrap())(site)).unwrap();
    site.agrees(MOST - 1, 1).refused("CF3601");

    assert_eq!(site.ours(&["import", "--believe", "tool", "--yes"]).code, 0);
    assert_eq!(site.ours(&["status", "--exit-code"]).code, 3);
    site.ours_must(&["apply", "--yes"]);
    site.we_agree().agrees(MOST, 0).assert_as_by_the_tool_alone(MOST);
}
