//! A schema in a file, as a database had it when somebody wrote it down.

use std::io::Read;
use std::path::Path;

use cofferdam_core::{Code, Refusal, Result};
use cofferdam_engines::Session;
use cofferdam_schema::Schema;
use serde::{Deserialize, Serialize};

use crate::files;
use crate::output::envelope::Envelope;

/// The kind of the document.
const KIND: &str = "RecordedSchema";

/// The document of kind `RecordedSchema`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    /// Of which database, for people.
    pub(crate) database: String,
    /// When, RFC 3339 in UTC.
    recorded_at: String,
    /// The last row of the journal then; `None`: there was none.
    journal: Option<Head>,
    pub(crate) schema: Schema,
}

/// A row of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Head {
    seq: i64,
    hash: String,
}

/// What a file of any kind must have to be one of ours.
#[derive(Deserialize)]
struct Kind {
    kind: String,
}

impl Record {
    /// Of a database as it is.
    pub(crate) async fn of(database: &str, session: &mut dyn Session) -> Result<Self> {
        let schema = session.inspect().await?;
        let journal = head(session).await?;
        let recorded_at = jiff::Timestamp::now().to_string();
        Ok(Self { database: database.to_owned(), recorded_at, journal, schema })
    }

    /// Writes it, in place of one that is there.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = Envelope::new(KIND, self).json() + "\n";
        if path.exists() { files::replace(path, &text) } else { files::create(path, &text) }
    }

    /// What a person should know who compares a database with it.
    pub(crate) async fn notes(&self, session: &mut dyn Session) -> Result<Vec<String>> {
        let recorded = format!("{} was recorded at {}", self.database, self.recorded_at);
        let now = head(session).await?;
        if self.journal == now {
            return Ok(vec![recorded]);
        }
        let then = match &self.journal {
            None => 0,
            Some(then) => {
                let row = session.journal_after(then.seq - 1, 1).await?;
                if row.first().is_none_or(|row| row.seq != then.seq || row.hash != then.hash) {
                    let other = "its journal is not the one of this database: it is another database, or it was restored";
                    return Ok(vec![format!("{recorded}; {other}")]);
                }
                then.seq
            }
        };
        let more = now.map_or(0, |now| now.seq) - then;
        Ok(vec![format!(
            "{recorded}; the journal has {more} more rows since, and what Cofferdam changed meanwhile counts as drift"
        )])
    }
}

async fn head(session: &mut dyn Session) -> Result<Option<Head>> {
    Ok(session.journal_head().await?.map(|(seq, hash)| Head { seq, hash }))
}

/// Whether the file is taken for one: no SQL begins so.
pub(crate) fn is_one(path: &Path) -> bool {
    let mut first = [0; 64];
    let read = std::fs::File::open(path).and_then(|mut file| file.read(&mut first)).unwrap_or(0);
    first.iter().take(read).find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}

/// Reads one.
///
/// # Errors
/// `UnreadableFile`, `NotRecorded`.
pub(crate) fn read(path: &Path) -> Result<Record> {
    let shown = path.display();
    let refused = |why: String| {
        Refusal::new(Code::NotRecorded, format!("{shown} holds no recorded schema"))
            .cause(why)
            .help(format!("cofferdam drift --record {shown} writes one"))
    };
    let text = std::fs::read_to_string(path).map_err(|error| {
        Refusal::new(Code::UnreadableFile, format!("{shown} cannot be read"))
            .cause(error.to_string())
            .help("check the path and its rights")
    })?;
    let kind: Kind = serde_json::from_str(&text).map_err(|error| refused(error.to_string()))?;
    if kind.kind != KIND {
        return Err(refused(format!("it is a document of kind {}", kind.kind)).into());
    }
    serde_json::from_str(&text).map_err(|error| refused(error.to_string()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_recorded_is_read_as_that() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("schema.json");
        let record = Record {
            database: "shop".into(),
            recorded_at: "2026-11-22T08:00:00Z".into(),
            journal: Some(Head { seq: 7, hash: "ab".into() }),
            schema: Schema { version: 150_018, ..Schema::default() },
        };
        record.write(&path).unwrap();
        record.write(&path).unwrap();
        assert!(is_one(&path));
        let again = read(&path).unwrap();
        assert_eq!((again.journal, again.schema), (record.journal, record.schema));
        let whole = std::fs::read_to_string(&path).unwrap();
        for wrong in [&whole[..whole.len() / 2], &whole.replace("RecordedSchema", "Diff"), "{}"] {
            std::fs::write(&path, wrong).unwrap();
            assert_eq!(read(&path).unwrap_err().refusal().unwrap().code, Code::NotRecorded, "{wrong}");
        }
        std::fs::write(&path, "-- a dump\nCREATE TABLE t (a int)").unwrap();
        assert!(!is_one(&path));
    }
}
