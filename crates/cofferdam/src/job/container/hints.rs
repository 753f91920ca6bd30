//! Hints: what a container is said to do, held against the live tables as the statement itself would be.

use cofferdam_api::source::{Hint, HintType};
use cofferdam_core::bundle::{Bundle, Checksum, Migration, MigrationKind, Script, Version};
use cofferdam_core::fault::Result;
use cofferdam_core::ident::QuotedIdent;
use cofferdam_core::{Fault, Severity};
use cofferdam_engines::Session;
use cofferdam_formats::standing;
use cofferdam_runner::foreign::Signal;
use cofferdam_runner::{Policy, assess, refuse_blocking};

/// Refuses what would fail or lose something, and returns what lint says of the rest, a sentence each.
///
/// # Errors
/// `LintBlocked`, and what the database says.
pub(super) async fn hold(session: &mut dyn Session, hints: &[Hint], policy: &Policy) -> Result<Vec<String>> {
    if hints.is_empty() {
        return Ok(Vec::new());
    }
    let text = statements(hints)?;
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let up = Script::new("spec.migration.container.hints", text);
    // A version that no history has: it is looked at and never applied.
    let version = Version::of_list("hints", &cofferdam_core::plan::sha256_hex(up.text.as_bytes()));
    let migration = Migration {
        version,
        description: "hints".into(),
        kind: MigrationKind::Versioned,
        checksum: Checksum::Sha256(up.sha256.clone()),
        up,
        down: None,
        check: None,
        no_transaction: true,
    };
    let bundle = Bundle { format: standing::LIST, migrations: vec![migration], skipped: Vec::new() };
    // The container runs its statements as it has them: nothing makes them safe.
    let policy = Policy { strategy: "direct".into(), as_written: true, to: None, ..policy.clone() };
    let assessment = assess(session, &bundle, &policy).await?;
    refuse_blocking(&assessment, &policy).map_err(reworded)?;
    let findings = assessment.pending.iter().flat_map(|pending| &pending.findings);
    let findings = findings.filter(|finding| finding.severity != Severity::Info);
    Ok(findings.map(|finding| format!("hint: {} [{}]", finding.message, finding.rule)).collect())
}

/// Nobody here can write `--allow`.
fn reworded(fault: Fault) -> Fault {
    let Fault::Refused(mut refusal) = fault else { return fault };
    if refusal.code == cofferdam_core::Code::LintBlocked {
        refusal.help = Some(
            "change what the container does, or, if you agree to it, remove the hint from \
             spec.migration.container.hints: kubectl edit dbm"
                .into(),
        );
    }
    Fault::Refused(refusal)
}

/// A statement for each hint, a line each.
fn statements(hints: &[Hint]) -> Result<String> {
    let mut text = String::new();
    for (number, hint) in hints.iter().enumerate() {
        let table = Signal::table(&hint.table).to_sql()?;
        let columns: Vec<String> = hint
            .columns
            .iter()
            .map(|c| QuotedIdent::new(c).map(|c| c.to_string()))
            .collect::<std::result::Result<_, _>>()?;
        let list = columns.join(", ");
        let each = |clause: &dyn Fn(&String) -> String| {
            let clauses: Vec<String> = columns.iter().map(clause).collect();
            format!("ALTER TABLE {table} {}", clauses.join(", "))
        };
        // A hint without columns is held against the table as a whole.
        let none = columns.is_empty();
        let statement = match hint.r#type {
            HintType::DropTable => format!("DROP TABLE {table}"),
            HintType::Backfill if none => format!("UPDATE {table} SET \"any column\" = NULL"),
            HintType::Backfill => {
                let set: Vec<String> = columns.iter().map(|c| format!("{c} = {c}")).collect();
                format!("UPDATE {table} SET {}", set.join(", "))
            }
            HintType::AddConstraint if none => {
                format!("ALTER TABLE {table} ADD CONSTRAINT \"hint {number}\" CHECK (true)")
            }
            _ if none => continue,
            HintType::AddColumn => each(&|c| format!("ADD COLUMN {c} text")),
            HintType::AddNotNullColumn => each(&|c| format!("ADD COLUMN {c} text NOT NULL")),
            HintType::DropColumn => each(&|c| format!("DROP COLUMN {c}")),
            HintType::ChangeType => each(&|c| format!("ALTER COLUMN {c} TYPE text")),
            HintType::SetNotNull => each(&|c| format!("ALTER COLUMN {c} SET NOT NULL")),
            HintType::AddIndex => format!("CREATE INDEX \"hint {number}\" ON {table} ({list})"),
            HintType::AddUnique => {
                format!("ALTER TABLE {table} ADD CONSTRAINT \"hint {number}\" UNIQUE ({list})")
            }
            HintType::AddConstraint => {
                let checks: Vec<String> = columns.iter().map(|c| format!("{c} IS NOT NULL")).collect();
                let checks = checks.join(" OR ");
                format!("ALTER TABLE {table} ADD CONSTRAINT \"hint {number}\" CHECK ({checks})")
            }
        };
        text += &format!("{statement};\n");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hint_is_the_statement_that_it_tells_of() {
        for (kind, columns, expected) in [
            (
                "add-column",
                vec!["a", "b"],
                "ALTER TABLE \"t\" ADD COLUMN \"a\" text, ADD COLUMN \"b\" text;\n",
            ),
            ("add-not-null-column", vec!["a"], "ALTER TABLE \"t\" ADD COLUMN \"a\" text NOT NULL;\n"),
            ("drop-column", vec!["a"], "ALTER TABLE \"t\" DROP COLUMN \"a\";\n"),
            ("change-type", vec!["a"], "ALTER TABLE \"t\" ALTER COLUMN \"a\" TYPE text;\n"),
            ("set-not-null", vec!["a"], "ALTER TABLE \"t\" ALTER COLUMN \"a\" SET NOT NULL;\n"),
            ("add-index", vec!["a", "b"], "CREATE INDEX \"hint 0\" ON \"t\" (\"a\", \"b\");\n"),
            ("add-unique", vec!["a"], "ALTER TABLE \"t\" ADD CONSTRAINT \"hint 0\" UNIQUE (\"a\");\n"),
            ("drop-table", vec![], "DROP TABLE \"t\";\n"),
            ("backfill", vec!["a"], "UPDATE \"t\" SET \"a\" = \"a\";\n"),
            ("add-index", vec![], ""),
        ] {
            let hint = serde_json::json!({ "type": kind, "table": "t", "columns": columns });
            let hint: Hint = serde_json::from_value(hint).unwrap();
            assert_eq!(statements(&[hint]).unwrap(), expected, "{kind}");
        }
    }
}
