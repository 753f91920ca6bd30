//! The same writes at every moment of a change: before the copy, within it, while indexes are built, while both
//! tables are compared, before the gate, in the revert window, and after each way to end it.

use crate::place::{Place, WIDER};

/// Where the program is held while the application writes. It is killed there, and started again.
const MOMENTS: &[&str] = &[
    "online.create.before-commit",
    "online.copy.cut",
    "online.copy.before-commit@2",
    "online.copy.committed",
    "online.index.built",
    "online.apply.before-commit",
    "online.compare.before-commit",
];

/// What a test writes; `{k}` is another number at each moment, from 1.
#[derive(Clone, Copy)]
pub struct Writes<'a> {
    pub name: &'a str,
    pub schema: &'a str,
    pub clauses: &'a str,
    pub flags: &'a [&'a str],
    pub writes: &'a str,
    /// Writes that wait for readers: they come when the program was killed, not while it is held.
    pub exclusive: bool,
}

impl Writes<'_> {
    pub const fn of<'a>(name: &'a str, writes: &'a str) -> Writes<'a> {
        Writes { name, schema: crate::place::TABLE, clauses: WIDER, flags: &[], writes, exclusive: false }
    }

    /// Does it with one of the captures.
    pub fn at_every_moment(&self, place: &Place) {
        let mut k = 0;
        let mut write = || {
            k += 1;
            place.both(&self.writes.replace("{k}", &k.to_string()));
        };
        for moment in MOMENTS {
            let mut flags = vec!["--cutover", "manual"];
            flags.extend(self.flags);
            let alter = place.alter(self.clauses, &flags);
            if self.exclusive && *moment == "online.apply.before-commit" {
                // Something to be applied.
                place.held(&alter, "online.index.built").kill();
                place.both("UPDATE {t} SET note = 'before' WHERE id % 70 = 0");
            }
            let held = place.held(&alter, moment);
            if self.exclusive {
                held.kill();
                write();
                // What empties a table leaves nothing to be copied: the next moment comes in a change of its own.
                let held = place.at_gate(self.clauses, self.flags);
                place.cut_over(held);
                place.same(&format!("swapped after {moment}"));
                place.rollback();
                place.same(&format!("taken back after {moment}"));
            } else {
                write();
                held.kill();
            }
        }
        let held = place.at_gate(self.clauses, self.flags);
        write();
        place.cut_over(held);
        place.same("after the swap");
        write();
        place.same("in the revert window");
        place.rollback();
        place.same("after the swap was taken back");
        place.nothing_left();
        let held = place.at_gate(self.clauses, self.flags);
        write();
        place.cut_over(held);
        write();
        place.finalize();
        place.same("at the end");
        place.nothing_left();
        write();
        place.same("after everything");
    }
}

/// With each of the ways to learn of changed rows.
pub fn at_every_moment(writes: &Writes<'_>) {
    for capture in ["rows", "statements"] {
        let name = format!("{}_{capture}", writes.name);
        let place = Place::new(&name, writes.schema);
        let mut flags = vec!["--capture", capture];
        flags.extend(writes.flags);
        Writes { flags: &flags, ..*writes }.at_every_moment(&place);
    }
}
