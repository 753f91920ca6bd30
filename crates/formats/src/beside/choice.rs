//! Which tool's table is kept beside Cofferdam's own history.

use cofferdam_core::{Code, Name, Refusal};

use crate::history::{HISTORIES, HistoryCodec, Server};
use crate::nearest::nearest;
use crate::tables::{self, Found, Table, Tool};

/// What decides it.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    /// The directory's format; empty: there is none at hand.
    pub format: &'a str,
    /// The tool that the user names.
    pub tool: Option<&'a str>,
    /// The table that the user names, with or without its schema.
    pub table: Option<&'a Name>,
    /// The user wants the tool's table to be kept, whether it is there or not.
    pub asked: bool,
    /// The schema of the connection.
    pub schema: &'a str,
    /// The server.
    pub server: Server,
    /// Cofferdam has a history of its own here.
    pub own: bool,
    /// Without a directory: the tools in whose tables our own rows say that they are.
    pub kept_in: &'a [String],
}

/// The outcome.
#[derive(Clone)]
pub enum Choice {
    /// None: Cofferdam's own history alone.
    Own,
    /// This tool's table, with its schema.
    Keep {
        /// The tool.
        codec: &'static HistoryCodec,
        /// Its table.
        table: Name,
        /// It is there already.
        there: bool,
    },
}

/// Formats that are Cofferdam's own as well: a directory of these does not say that its tool is used.
const SHARED: [&str; 2] = ["flyway", "plain"];

/// Decides it.
///
/// # Errors
/// `SeveralTools` where more than one table could be meant, `NoSuchTool` for a tool that there is not, or where the
/// format has none and one is asked for.
pub fn choose(tables: &[Table], wanted: &Wanted<'_>) -> Result<Choice, Box<Refusal>> {
    let named = wanted.tool.map(named).transpose()?;
    let fits = |codec: &HistoryCodec| match (named, wanted.format) {
        (Some(named), _) => codec.id == named.id,
        (None, "") => wanted.kept_in.iter().any(|id| id == codec.id),
        (None, format) => codec.formats.contains(&format),
    };
    let mut found: Vec<(&'static HistoryCodec, &Table)> = match wanted.table {
        None => tables::found(tables)
            .into_iter()
            .filter_map(|Found { tool, table }| match tool {
                Tool::Known(codec) if fits(codec) => Some((codec, table)),
                Tool::Known(_) | Tool::Foreign(..) => None,
            })
            .collect(),
        Some(name) => tables
            .iter()
            .filter(|table| {
                table.name == name.name && name.schema.as_ref().is_none_or(|s| *s == table.schema)
            })
            .filter_map(|table| {
                let codec = HISTORIES.iter().copied().filter(|codec| codec.id != "own" && fits(codec));
                Some((
                    codec
                        .filter(|codec| tables::has_columns(codec, table))
                        .max_by_key(|c| c.columns.len())?,
                    table,
                ))
            })
            .collect(),
    };
    if found.len() > 1 {
        // Where the tool would look itself.
        let place = |codec: &HistoryCodec, table: &Table| {
            codec.schema_on(wanted.server) == Some(table.schema.as_str()) || table.schema == wanted.schema
        };
        let first: Vec<_> = found.iter().copied().filter(|(codec, table)| place(codec, table)).collect();
        match first.as_slice() {
            [one] => found = vec![*one],
            _ => return Err(Box::new(several(&found))),
        }
    }
    if let [(codec, table)] = found.as_slice() {
        let table = Name { schema: Some(table.schema.clone()), name: table.name.clone() };
        return Ok(Choice::Keep { codec, table, there: true });
    }
    let own_format = wanted.format.is_empty() || SHARED.contains(&wanted.format);
    if !wanted.asked && (wanted.own || (own_format && named.is_none())) {
        return Ok(Choice::Own);
    }
    let codec = HISTORIES.iter().copied().find(|codec| codec.id != "own" && fits(codec));
    match codec {
        Some(codec) => {
            let schema = codec.schema_on(wanted.server).unwrap_or(wanted.schema);
            let schema = wanted.table.and_then(|table| table.schema.clone()).unwrap_or(schema.to_owned());
            let name = wanted.table.map_or(codec.table, |table| &table.name).to_owned();
            Ok(Choice::Keep { codec, table: Name { schema: Some(schema), name }, there: false })
        }
        None if !wanted.asked => Ok(Choice::Own),
        None => Err(Box::new(
            Refusal::new(Code::NoSuchTool, "there is no tool whose table could be kept")
                .cause(match wanted.format {
                    "" => "there is no directory that would say which tool it is".to_owned(),
                    format => format!("no tool has directories of format {format}"),
                })
                .help("name the tool with --tool, or keep Cofferdam's own history: --history own"),
        )),
    }
}

fn named(id: &str) -> Result<&'static HistoryCodec, Box<Refusal>> {
    let all = || HISTORIES.iter().copied().filter(|codec| codec.id != "own");
    all().find(|codec| codec.id == id).ok_or_else(|| {
        let ids: Vec<&str> = all().map(|codec| codec.id).collect();
        let refusal = Refusal::new(Code::NoSuchTool, format!("there is no tool {id:?}"))
            .cause(format!("the tools whose histories are kept are {}", ids.join(", ")));
        Box::new(match nearest(id, ids.iter().copied()) {
            Some(near) => refusal.help(format!("did you mean --tool {near}?")),
            None => refusal.help("leave --tool out, and the directory decides"),
        })
    })
}

fn several(found: &[(&'static HistoryCodec, &Table)]) -> Refusal {
    let listed: Vec<String> = found
        .iter()
        .map(|(codec, table)| format!("{}.{} of {}", table.schema, table.name, codec.id))
        .collect();
    let first =
        found.first().map_or_else(String::new, |(_, table)| format!("{}.{}", table.schema, table.name));
    Refusal::new(Code::SeveralTools, "more than one table could be the history of this directory")
        .cause(listed.join(", "))
        .help(format!("say which: --history-table {first}"))
}
