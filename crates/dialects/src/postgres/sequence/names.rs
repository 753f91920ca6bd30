//! The names that the server chooses for what has none: `t_c_idx`, `t_c_key`, `t_c_fkey`, `t_c_check`.
//!
//! As in `makeObjectName`, `ChooseRelationName`, `ChooseConstraintName` and `ChooseIndexColumnNames` of
//! PostgreSQL's `src/backend/commands/indexcmds.c` and `src/backend/catalog/pg_constraint.c`, so that a dump of
//! the safe form is that of the plain form, and the way back finds what the server made.

use std::collections::BTreeMap;

use cofferdam_core::facts::Table;
use cofferdam_core::{Facts, Name, QuotedIdent};

use super::super::lex::Token;
use super::known;
use super::text::{self, StripWords, Word};

/// Names in use in the schema of a table, and those that were given away since. What the facts list is looked up name by
/// name, never gone through: a database may have a hundred thousand objects.
#[derive(Debug, Clone, Default)]
pub(in crate::postgres) struct Names<'f> {
    facts: Option<&'f Facts>,
    /// `None`: not known, so that those of every schema count.
    schema: Option<String>,
    /// Taken or given free since, by name.
    relations: BTreeMap<String, bool>,
    constraints: BTreeMap<String, bool>,
}

/// The kinds of objects that share names with tables.
const RELATIONS: &[&str] = &["table", "index", "view", "materialized view", "sequence"];

impl<'f> Names<'f> {
    /// Those that the facts show.
    pub(in crate::postgres) fn around(table: &Name, facts: &'f Facts) -> Self {
        Self { facts: Some(facts), schema: schema_of(table, facts), ..Self::default() }
    }

    /// The tables of the facts that may be in the schema, each with its own name.
    fn tables(&self) -> impl Iterator<Item = (&'f str, &'f Table)> {
        let all = self.facts.into_iter().flat_map(|facts| &facts.tables).filter(|(_, table)| table.exists);
        all.filter_map(move |(asked, table)| match &table.resolved {
            Some(name) => self.is_schema(name.schema.as_deref()).then_some((name.name.as_str(), table)),
            None => Some((asked.as_str(), table)),
        })
    }

    fn is_schema(&self, other: Option<&str>) -> bool {
        self.schema.is_none() || other.is_none() || other == self.schema.as_deref()
    }

    /// The facts list an object of this kind, in the schema.
    fn listed(&self, kind: &str, name: &str) -> bool {
        let Some(facts) = self.facts else { return false };
        let elsewhere = |object: &str| object.split_once('.').is_some_and(|(_, own)| own == name);
        facts.has(kind, name)
            || match &self.schema {
                Some(schema) => facts.has(kind, &format!("{schema}.{name}")),
                None => facts.of_kind(kind).any(elsewhere),
            }
    }

    /// The name for an index, from the names of its parts.
    pub(in crate::postgres) fn index(&mut self, table: &str, parts: &[String]) -> String {
        self.relation(table, &joined(parts), "idx", false)
    }

    /// The name for a unique constraint and its index.
    pub(in crate::postgres) fn unique(&mut self, table: &str, parts: &[String]) -> String {
        self.relation(table, &joined(parts), "key", true)
    }

    /// The name for a primary key and its index.
    pub(in crate::postgres) fn primary_key(&mut self, table: &str) -> String {
        self.relation(table, "", "pkey", true)
    }

    /// The name for an exclusion constraint and its index.
    pub(in crate::postgres) fn exclusion(&mut self, table: &str, parts: &[String]) -> String {
        self.relation(table, &joined(parts), "excl", true)
    }

    /// The name for a foreign key.
    pub(in crate::postgres) fn foreign_key(&mut self, table: &str, columns: &[String]) -> String {
        self.constraint(table, &joined(columns), "fkey")
    }

    /// The name for a CHECK, which has that of its column in it only if it has no more than one.
    pub(in crate::postgres) fn check(&mut self, table: &str, columns: &[String]) -> String {
        let only = if let [one] = columns { one.as_str() } else { "" };
        self.constraint(table, only, "check")
    }

    /// The name for the CHECK that stands in until its column is NOT NULL.
    pub(in crate::postgres) fn not_null_check(&mut self, table: &str, column: &str) -> String {
        self.constraint(table, column, "nn")
    }

    /// Keeps a name that the statement gives from being given away.
    pub(in crate::postgres) fn take(&mut self, name: &str) {
        self.relations.insert(name.to_owned(), true);
        self.constraints.insert(name.to_owned(), true);
    }

    /// Gives a name free that the statement drops.
    pub(in crate::postgres) fn release(&mut self, name: &str) {
        self.relations.insert(name.to_owned(), false);
        self.constraints.insert(name.to_owned(), false);
    }

    /// A table, index or the like has this name.
    pub(in crate::postgres) fn is_relation(&self, name: &str) -> bool {
        self.relations.get(name).copied().unwrap_or_else(|| {
            self.tables().any(|(own, table)| own == name || table.index(name).is_some())
                || RELATIONS.iter().any(|kind| self.listed(kind, name))
        })
    }

    fn is_constraint(&self, name: &str) -> bool {
        self.constraints.get(name).copied().unwrap_or_else(|| {
            self.tables().any(|(_, table)| table.constraint(name).is_some())
                || self.listed("constraint", name)
        })
    }

    fn relation(&mut self, table: &str, parts: &str, label: &str, constraint: bool) -> String {
        let taken = |name: &str| self.is_relation(name) || constraint && self.is_constraint(name);
        let name = chosen(table, parts, label, taken);
        self.relations.insert(name.clone(), true);
        if constraint {
            self.constraints.insert(name.clone(), true);
        }
        name
    }

    fn constraint(&mut self, table: &str, parts: &str, label: &str) -> String {
        let name = chosen(table, parts, label, |name| self.is_constraint(name));
        self.constraints.insert(name.clone(), true);
        name
    }
}

/// The schema in which the table is, as far as text or facts say.
pub(in crate::postgres) fn schema_of(table: &Name, facts: &Facts) -> Option<String> {
    let resolved = facts.table(table).and_then(|t| t.resolved.as_ref()).and_then(|n| n.schema.clone());
    table.schema.clone().or(resolved)
}

/// The first of `t_c_label`, `t_c_label1`, `t_c_label2` ... that is free.
fn chosen(table: &str, parts: &str, label: &str, taken: impl Fn(&str) -> bool) -> String {
    let mut name = object_name(table, parts, label);
    let mut next = 1u32;
    while taken(&name) {
        name = object_name(table, parts, &format!("{label}{next}"));
        next += 1;
    }
    name
}

/// `first_second_label`, in which the longer of the first two is cut until all fits.
fn object_name(first: &str, second: &str, label: &str) -> String {
    let overhead = label.len() + 1 + usize::from(!second.is_empty());
    let room = QuotedIdent::MAX_BYTES.saturating_sub(overhead);
    let (mut first_bytes, mut second_bytes) = (first.len(), second.len());
    while first_bytes + second_bytes > room {
        if first_bytes > second_bytes {
            first_bytes -= 1;
        } else {
            second_bytes -= 1;
        }
    }
    let (first, second) = (clipped(first, first_bytes), clipped(second, second_bytes));
    let between = if second.is_empty() { "" } else { "_" };
    format!("{first}{between}{second}_{label}")
}

/// At most so many bytes, with no character cut.
fn clipped(text: &str, mut bytes: usize) -> &str {
    while !text.is_char_boundary(bytes) {
        bytes -= 1;
    }
    &text[..bytes]
}

/// The parts with `_` between them; no more than the server keeps before it cuts.
fn joined(parts: &[String]) -> String {
    let mut all = String::new();
    for part in parts {
        if !all.is_empty() {
            all.push('_');
        }
        all.push_str(part);
        if all.len() > QuotedIdent::MAX_BYTES {
            break;
        }
    }
    all
}

/// What the parts of an index are called in its name, `(a, lower(b)) INCLUDE (c)`: columns by their names,
/// expressions by their function or `expr`, and with a number where two would be the same.
pub(in crate::postgres) fn part_names(on: &str) -> Vec<String> {
    let words = text::words(on);
    let mut all: Vec<String> = Vec::new();
    for element in elements(&words) {
        let base = part_name(element);
        let mut name = base.clone();
        let mut next = 1u32;
        while all.contains(&name) {
            let number = next.to_string();
            name =
                format!("{}{number}", clipped(&base, base.len().min(QuotedIdent::MAX_BYTES - number.len())));
            next += 1;
        }
        all.push(name);
    }
    all
}

/// The key parts and the included columns: each list in parentheses at the top, up to WITH or WHERE.
fn elements<'w, 'a>(words: &'w [Word<'a>]) -> Vec<&'w [Word<'a>]> {
    let mut all = Vec::new();
    let Some(open) = words.iter().position(|w| w.is("(")) else { return all };
    let Some(close) = text::closing(words, open) else { return all };
    all.extend(text::parts(&words[open + 1..close]));
    let rest = &words[close + 1..];
    if let Some(included) = rest.strip_prefix_words(&["include", "("])
        && let Some(close) = text::closing(rest, 1)
    {
        all.extend(text::parts(&included[..close - 2]));
    }
    all
}

/// As `FigureColname` of `src/backend/parser/parse_target.c` names an expression.
fn part_name(element: &[Word<'_>]) -> String {
    // `a`, `lower(b)` or `(expression)`, then perhaps a collation, an operator class, ASC ...
    let end = match element {
        [open, ..] if open.is("(") => text::closing(element, 0).map_or(element.len(), |close| close + 1),
        _ => {
            let name = text::name_length(element);
            let call = element.get(name).is_some_and(|w| w.is("("));
            if call { text::closing(element, name).map_or(element.len(), |c| c + 1) } else { name }
        }
    };
    figure(known::unwrapped(&element[..end])).unwrap_or_else(|| "expr".to_owned())
}

fn figure(words: &[Word<'_>]) -> Option<String> {
    let words = known::unwrapped(words);
    let name = text::name_length(words);
    let first = words.first()?;
    if first.is("case") {
        return words.last().filter(|w| w.is("end")).map(|_| "case".to_owned());
    }
    if let Some(cast) = outermost_cast(words) {
        return figure(&words[..cast]).or_else(|| type_name(&words[cast + 2..]));
    }
    if !matches!(first.token, Token::Word | Token::QuotedName) {
        return None;
    }
    let own = words.get(name - 1)?.identifier()?;
    if words.len() == name {
        return Some(own);
    }
    if !words[name].is("(") || text::closing(words, name) != Some(words.len() - 1) {
        return None;
    }
    if own == "cast" {
        let inner = &words[name + 1..words.len() - 1];
        let depths = text::depths(inner);
        let r#as = (0..inner.len()).find(|&i| depths[i] == 0 && inner[i].is("as"))?;
        return figure(&inner[..r#as]).or_else(|| type_name(&inner[r#as + 1..]));
    }
    Some(match own.as_str() {
        "trim" => "btrim".to_owned(),
        _ => own,
    })
}

/// Where the `::` stands that is applied last, if a cast is all that the expression is.
fn outermost_cast(words: &[Word<'_>]) -> Option<usize> {
    let depths = text::depths(words);
    let outside: Vec<usize> = (0..words.len()).filter(|&i| depths[i] == 0).collect();
    let operator = |w: &Word<'_>| w.token == Token::Other && !w.is(".") && !w.is(":");
    if outside.iter().any(|&i| operator(&words[i])) {
        return None;
    }
    outside.windows(2).rev().find(|p| words[p[0]].is(":") && words[p[1]].is(":")).map(|p| p[0])
}

/// A type's own name in the catalog, by which an expression that is nothing but a cast is called.
fn type_name(words: &[Word<'_>]) -> Option<String> {
    let name = words.get(text::name_length(words).checked_sub(1)?)?.identifier()?;
    Some(match name.as_str() {
        "int" | "integer" => "int4".to_owned(),
        "bigint" => "int8".to_owned(),
        "smallint" => "int2".to_owned(),
        "real" => "float4".to_owned(),
        "double" | "float" => "float8".to_owned(),
        "boolean" => "bool".to_owned(),
        "decimal" | "dec" => "numeric".to_owned(),
        "character" | "char" if words.get(1).is_some_and(|w| w.is("varying")) => "varchar".to_owned(),
        "character" | "char" => "bpchar".to_owned(),
        "timestamp" | "time" if words.windows(2).any(|p| p[0].is("with") && p[1].is("time")) => {
            format!("{name}tz")
        }
        _ => name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parts: &[&str]) -> Vec<String> {
        parts.iter().map(|p| (*p).to_owned()).collect()
    }

    #[test]
    fn names_are_cut_as_the_server_cuts_them() {
        let mut names = Names::default();
        let long = "a".repeat(60);
        assert_eq!(names.index("t", &of(&["a", "b"])), "t_a_b_idx");
        assert_eq!(names.index("t", &of(&["a", "b"])), "t_a_b_idx1");
        assert_eq!(names.index("t", &of(&["a", "b"])), "t_a_b_idx2");
        assert_eq!(names.index(&long, &of(&["b"])), format!("{}_b_idx", "a".repeat(57)));
        assert_eq!(names.primary_key(&long), format!("{}_pkey", "a".repeat(58)));
        assert_eq!(
            names.unique(&long, &of(&[&"b".repeat(60)])),
            format!("{}_{}_key", "a".repeat(29), "b".repeat(29))
        );
        assert_eq!(names.check("t", &of(&["a"])), "t_a_check");
        assert_eq!(names.check("t", &of(&["a", "b"])), "t_check");
        assert_eq!(names.check("t", &[]), "t_check1");
        // A character is not cut in two.
        assert_eq!(names.foreign_key(&"é".repeat(31), &of(&["bb"])), format!("{}_bb_fkey", "é".repeat(27)));
    }

    #[test]
    fn parts_of_an_index_are_called_as_the_server_calls_them() {
        let cases = [
            ("ON t (a, \"B c\")", "a B c"),
            ("ON t USING gin (a gin_trgm_ops)", "a"),
            ("ON t (lower(a), lower(b))", "lower lower1"),
            ("ON t ((a || b), (a + 1))", "expr expr1"),
            ("ON t ((data->>'k'))", "expr"),
            ("ON t (((data->>'k')::int))", "int4"),
            ("ON t ((a::text))", "a"),
            ("ON t (CAST(a AS text))", "a"),
            ("ON t (date_trunc('day', at) DESC NULLS LAST)", "date_trunc"),
            ("ON t (coalesce(a, b), a COLLATE \"C\")", "coalesce a"),
            ("ON t (app.f(a)) INCLUDE (b, c) WHERE (a > 0)", "f b c"),
            ("ON t ((CASE WHEN a THEN 1 ELSE 2 END))", "case"),
            ("ON t (a) WITH (fillfactor = 70)", "a"),
        ];
        for (on, expected) in cases {
            assert_eq!(part_names(on).join(" "), expected, "{on}");
        }
    }
}
