//! An online change of one table: a shadow table is filled beside it, kept in sync, compared and swapped in.
//!
//! This is what a plan stores of it. How each part is done is the engine's matter; the algorithm is described in
//! `docs/online-change.md`.

use serde::{Deserialize, Serialize};

use crate::ident::Name;
use crate::plan::sha256_hex;

/// One table and what is to become of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Online {
    /// The table, with its schema.
    pub table: Name,
    /// What `ALTER TABLE` is to do to it, as it stands after the table's name: `ALTER COLUMN id TYPE bigint`.
    pub clauses: String,
    /// How keys of changed rows are learned.
    pub capture: Capture,
    /// When the tables may be swapped.
    pub gate: Gate,
    /// Values that the new table's columns get, where the server's own cast is not what is wanted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forward: Vec<Conversion>,
    /// Values that the old table's columns get while a swapped table can still be taken back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backward: Vec<Conversion>,
    /// Why values may get lost (a dropped column, a narrower type); without it such a change is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_loss: Option<String>,
    /// At most so many connections copy, build indexes and compare side by side; 0: as many as the server has
    /// cores to spare, at most 4; on MySQL and MariaDB 2, and never more than 16.
    #[serde(default)]
    pub workers: u32,
    /// How much of both sides is compared before they are swapped.
    #[serde(default, skip_serializing_if = "Proof::is_whole")]
    pub proof: Proof,
}

/// How much of both sides is compared. The number of all rows is, whatever else is, but where nothing is compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The share of the rows whose values are compared, in percent, 0 to 100. Which rows these are follows from a hash
    /// of their keys, so that both sides take the same ones.
    pub percent: u8,
    /// Why nothing at all is compared, not even the number of rows; `None`: it is compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

impl Default for Proof {
    fn default() -> Self {
        Self { percent: 100, skipped: None }
    }
}

impl Proof {
    /// Every value of every row.
    pub fn is_whole(&self) -> bool {
        *self == Self::default()
    }

    /// What is compared, in words: "all rows", "the number of all rows, and the values of 10 % of them".
    pub fn words(&self) -> String {
        match (&self.skipped, self.percent) {
            (Some(reason), _) => format!("nothing: {reason}"),
            (None, 0) => "the number of all rows, and no values".to_owned(),
            (None, percent) if percent < 100 => {
                format!("the number of all rows, and the values of {percent} % of them")
            }
            (None, _) => "all rows".to_owned(),
        }
    }
}

/// A column's value as an expression over the columns of the row on the other side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversion {
    /// The column that gets the value.
    pub column: String,
    /// The expression. It must depend on nothing but the row.
    pub expression: String,
}

/// How keys of changed rows are learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Capture {
    /// By triggers, of the kind that the table's statistics ask for.
    #[default]
    Auto,
    /// A trigger for each row: where statements touch few rows.
    Rows,
    /// A trigger for each statement: where statements touch many rows.
    Statements,
    /// From the server's write-ahead log, by a logical slot.
    Logical,
}

/// When the tables may be swapped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// As soon as both sides are known to be the same.
    #[default]
    Auto,
    /// When a person says so (`cofferdam cutover`). Until then both sides are kept the same.
    Manual,
    /// Between these times of the day, UTC, as `HH:MM`; the end may lie before the beginning.
    Window {
        /// From.
        from: String,
        /// Until.
        until: String,
    },
}

/// A part of an online change, in the order in which they are done. Each can be performed again after a crash and
/// goes on from where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The shadow table, changed and empty, and the tables that the change keeps its state in.
    Create,
    /// From now on keys of changed rows are logged.
    Capture,
    /// All rows, in chunks.
    Copy,
    /// Indexes and constraints of the shadow table.
    Index,
    /// The logged keys are applied and both sides compared, until they are the same.
    Compare,
    /// Waits for the gate and keeps both sides the same.
    Gate,
    /// The swap.
    Swap,
    /// What can only be done after the swap and blocks nobody: foreign keys are validated.
    Settle,
    /// The old table and everything that the change needed goes.
    Finish,
    /// Undoes `Swap`: what was written since is brought into the old table, compared, and the tables swapped back.
    SwapBack,
    /// Undoes `Capture`.
    Release,
    /// Undoes `Create`.
    Discard,
}

impl Part {
    /// The parts of a change that succeeds, in order.
    pub const WAY: &'static [Part] = &[
        Part::Create,
        Part::Capture,
        Part::Copy,
        Part::Index,
        Part::Compare,
        Part::Gate,
        Part::Swap,
        Part::Settle,
        Part::Finish,
    ];

    /// The part that takes this one back, or that this one takes back.
    pub fn opposite(self) -> Option<Part> {
        Some(match self {
            Part::Create => Part::Discard,
            Part::Capture => Part::Release,
            Part::Swap => Part::SwapBack,
            Part::SwapBack => Part::Swap,
            Part::Release => Part::Capture,
            Part::Discard => Part::Create,
            _ => return None,
        })
    }

    /// Its name in state tables and messages.
    pub fn word(self) -> &'static str {
        match self {
            Part::Create => "create",
            Part::Capture => "capture",
            Part::Copy => "copy",
            Part::Index => "index",
            Part::Compare => "compare",
            Part::Gate => "gate",
            Part::Swap => "swap",
            Part::Settle => "settle",
            Part::Finish => "finish",
            Part::SwapBack => "swap-back",
            Part::Release => "release",
            Part::Discard => "discard",
        }
    }
}

impl Capture {
    /// Its name in commands and messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Rows => "rows",
            Self::Statements => "statements",
            Self::Logical => "logical",
        }
    }
}

impl Gate {
    /// As a command names it: `auto`, `manual`, `22:00-04:00`.
    pub fn words(&self) -> String {
        match self {
            Self::Auto => "auto".to_owned(),
            Self::Manual => "manual".to_owned(),
            Self::Window { from, until } => format!("{from}-{until}"),
        }
    }
}

impl Online {
    /// How this change is made otherwise than was asked for: "cutover auto, not manual". `None`: it is not. Where nothing
    /// is asked for but what is best, this is what was found to be best.
    pub fn otherwise(&self, asked: &Self) -> Option<String> {
        let workers = if asked.workers == 0 { self.workers } else { asked.workers };
        let capture = if asked.capture == Capture::Auto { self.capture } else { asked.capture };
        let number = |workers: u32| match workers {
            0 => "by the server's cores".to_owned(),
            workers => workers.to_string(),
        };
        let pairs = [
            ("cutover", self.gate.words(), asked.gate.words()),
            ("capture", self.capture.word().to_owned(), capture.word().to_owned()),
            ("workers", number(self.workers), number(workers)),
            ("comparison of", self.proof.words(), asked.proof.words()),
        ];
        let differ = pairs.iter().filter(|(_, is, asked)| is != asked);
        let words: Vec<String> =
            differ.map(|(what, is, asked)| format!("{what} {is}, not {asked}")).collect();
        (!words.is_empty()).then(|| words.join("; "))
    }

    /// What names this change in the database: it follows from the table's name, so that a second change of the
    /// same table finds the first one.
    pub fn id(&self) -> String {
        let text = format!("{}\0{}", self.table.schema.as_deref().unwrap_or("public"), self.table.name);
        sha256_hex(text.as_bytes())[..12].to_owned()
    }

    /// The schema in which the shadow table, the log and the chunks live until the swap, and the new table goes
    /// back to when the swap is taken back. A schema of its own keeps every index and constraint under its name.
    pub fn new_schema(&self) -> String {
        format!("cofferdam_new_{}", self.id())
    }

    /// The schema in which the old table waits after the swap.
    pub fn old_schema(&self) -> String {
        format!("cofferdam_old_{}", self.id())
    }

    /// The table, where its shadow lives.
    pub fn shadow(&self) -> Name {
        Name { schema: Some(self.new_schema()), name: self.table.name.clone() }
    }

    /// The table, where the old one waits after the swap.
    pub fn old(&self) -> Name {
        Name { schema: Some(self.old_schema()), name: self.table.name.clone() }
    }
}

/// What looking at the table and trying the clauses on an empty copy of it found, before anything is changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Examined {
    /// The server rewrites the table for these clauses, or reads all of it under a lock that stops writers: seen on
    /// the copy, not believed of the text.
    pub rewrites: bool,
    /// Why it cannot be done online; empty: it can. Each says what would do.
    pub obstacles: Vec<String>,
    /// What it would lose, and needs `allow_loss` for: "orders.note: values longer than 10 characters".
    pub losses: Vec<String>,
    /// What a person should know and does not stop it.
    pub notes: Vec<String>,
    /// The columns of the key by which rows are found on both sides.
    pub key: Vec<String>,
    /// Rows, as the server estimates them.
    pub rows: u64,
    /// Bytes of the table with its indexes and TOAST.
    pub bytes: u64,
    /// Rows inserted, updated and deleted since the server's statistics were last reset, by second; 0: not known.
    pub writes_per_second: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(schema: Option<&str>, name: &str) -> Online {
        Online {
            table: Name { schema: schema.map(str::to_owned), name: name.into() },
            clauses: "ADD COLUMN x int".into(),
            capture: Capture::Auto,
            gate: Gate::Auto,
            forward: vec![],
            backward: vec![],
            allow_loss: None,
            workers: 0,
            proof: Proof::default(),
        }
    }

    #[test]
    fn what_is_planned_otherwise_than_asked_is_named() {
        let planned = of(None, "orders");
        assert_eq!(planned.otherwise(&planned), None);
        let window = Gate::Window { from: "22:00".into(), until: "04:00".into() };
        let proof = Proof { percent: 10, skipped: None };
        let asked = Online { gate: window, capture: Capture::Logical, workers: 2, proof, ..planned.clone() };
        assert_eq!(
            planned.otherwise(&asked).as_deref(),
            Some(
                "cutover auto, not 22:00-04:00; capture auto, not logical; workers by the server's cores, not 2; \
                 comparison of all rows, not the number of all rows, and the values of 10 % of them"
            )
        );
        // Whoever asks for nothing gets what was planned.
        let words = asked.otherwise(&planned).unwrap_or_default();
        assert!(words.starts_with("cutover 22:00-04:00, not auto; comparison of "), "{words}");
    }

    #[test]
    fn the_id_follows_the_table_and_its_schemas_fit() {
        let one = of(Some("public"), "orders");
        assert_eq!(one.id(), of(Some("public"), "orders").id());
        assert_ne!(one.id(), of(Some("app"), "orders").id());
        assert_ne!(of(Some("a"), "bc").id(), of(Some("ab"), "c").id());
        assert!(one.new_schema().len() <= 63 && one.old_schema().len() <= 63);
    }

    #[test]
    fn a_whole_comparison_is_not_written_down_and_anything_less_is() {
        let whole = serde_json::to_string(&of(None, "t")).unwrap();
        assert!(!whole.contains("proof"), "{whole}");
        let sampled = Online { proof: Proof { percent: 10, skipped: None }, ..of(None, "t") };
        let text = serde_json::to_string(&sampled).unwrap();
        assert!(text.contains(r#""proof":{"percent":10}"#), "{text}");
        assert_eq!(serde_json::from_str::<Online>(&text).unwrap(), sampled);
        assert!(serde_json::from_str::<Online>(&whole).unwrap().proof.is_whole());
    }

    #[test]
    fn the_parts_stand_in_order_and_read_back() {
        assert!(Part::WAY.windows(2).all(|w| w[0] < w[1]));
        for part in Part::WAY {
            let text = serde_json::to_string(part).unwrap();
            assert_eq!(text, format!("{:?}", part.word()));
        }
    }
}
