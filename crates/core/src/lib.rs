//! The words of Cofferdam as types.
//!
//! Nothing here does input or output, knows a database driver, or prints: it is data, and pure functions over
//! it. Every other crate speaks in these types, so a reader who knows this crate can read all the others.

pub mod approval;
pub mod backup;
pub mod bundle;
pub mod change;
pub mod code;
pub mod facts;
pub mod failpoint;
pub mod fault;
pub mod figures;
pub mod finding;
pub mod history;
pub mod ident;
pub mod journal;
pub mod limits;
pub mod notice;
pub mod online;
pub mod park;
pub mod plan;
pub mod run;
pub mod text;
pub mod who;

pub use bundle::{Bundle, Checksum, Migration, MigrationKind, Script};
pub use change::{Action, Change, Span, TableChange};
pub use code::Code;
pub use facts::Facts;
pub use fault::{Fault, Place, Question, Refusal, Result};
pub use finding::{Finding, Findings, Severity};
pub use ident::{Name, QuotedIdent, QuotedLiteral};
pub use limits::Limits;
pub use notice::Notice;
pub use online::Online;
pub use plan::{Act, Plan, Probe, Step, Undo, Unit};
pub use run::{Event, Phase};
pub use text::Text;
pub use who::Who;
