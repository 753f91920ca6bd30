//! The statements as a script.

use crate::lead::{Lead, Statement};
use crate::order::Deed;

impl Lead {
    /// How many statements are held back.
    pub fn held(&self) -> usize {
        self.statements.iter().filter(|statement| statement.held).count()
    }

    /// The statements that are carried out, in order, and what has to be set for them.
    pub fn carried_out(&self, allow_drop: bool) -> Vec<&str> {
        let functions = self.makes_functions();
        let set = functions.then_some("SET check_function_bodies = off");
        let all = self.statements.iter().filter(|statement| allow_drop || !statement.held);
        set.into_iter().chain(all.map(|statement| statement.sql.as_str())).collect()
    }

    /// A script. `head`: lines for the comment at its beginning. Statements that lose something are comments, unless
    /// they are allowed.
    pub fn script(&self, head: &[String], allow_drop: bool) -> String {
        let mut out: String = head.iter().map(|line| format!("-- {line}\n")).collect();
        if self.makes_functions() {
            // A function may be made before what its body names.
            out += "\nSET check_function_bodies = off;\n";
        }
        for statement in &self.statements {
            out += "\n";
            out += &text(statement, allow_drop);
        }
        out
    }

    fn makes_functions(&self) -> bool {
        self.statements.iter().any(|s| s.does != Deed::Drop && s.sql.starts_with("CREATE OR REPLACE"))
    }
}

fn text(statement: &Statement, allow_drop: bool) -> String {
    let loses = statement.loses.as_ref().map(|loses| format!("loses {loses}"));
    let sql = format!("{};", statement.sql);
    if !statement.held {
        return format!("{sql}\n");
    }
    let why = loses.unwrap_or_else(|| match statement.does {
        Deed::Drop => format!("drops {} for good", statement.object),
        _ => format!("makes {} anew, without what was in it", statement.object),
    });
    if allow_drop {
        return format!("-- {why}\n{sql}\n");
    }
    let lines: String = sql.lines().map(|line| format!("-- {line}\n")).collect();
    format!("-- held back, --allow-drop prints it: {why}\n{lines}")
}
