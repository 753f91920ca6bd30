//! Migrations to measure with.

use std::fmt::Write;

/// A migration of one statement, as small as one is in practice.
pub(super) fn create_table(number: usize) -> String {
    format!(
        "CREATE TABLE t{number} (id bigint PRIMARY KEY, name text NOT NULL, made timestamptz DEFAULT now());\n"
    )
}

/// A migration of ten statements, of the kinds that a year of them has. Some have findings.
pub(super) fn ten_statements(number: usize) -> String {
    let n = number;
    format!(
        "-- Orders of shop {n}.\n\
         CREATE TABLE orders{n} (\n    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n    \
         customer bigint NOT NULL,\n    total numeric(12, 2) NOT NULL,\n    note text\n);\n\
         CREATE INDEX orders{n}_customer ON orders{n} (customer);\n\
         COMMENT ON TABLE orders{n} IS 'semicolons; in; text';\n\
         ALTER TABLE customers ADD COLUMN seen{n} timestamptz;\n\
         ALTER TABLE customers ADD CONSTRAINT seen{n}_past CHECK (seen{n} <= now()) NOT VALID;\n\
         CREATE INDEX CONCURRENTLY customers_seen{n} ON customers (seen{n});\n\
         UPDATE settings SET value = 'on' WHERE name = 'orders{n}';\n\
         CREATE FUNCTION touch{n}() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n    \
         NEW.seen{n} := now();\n    RETURN NEW;\nEND\n$$;\n\
         CREATE TRIGGER touch{n} BEFORE UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION touch{n}();\n\
         GRANT SELECT, INSERT ON orders{n} TO app;\n"
    )
}

/// A migration that makes a table and fills it with single-row inserts until it has about so many bytes.
pub(super) fn inserts(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 256);
    text += "CREATE TABLE bulk (id bigint PRIMARY KEY, body text NOT NULL);\n";
    let body = "lorem ipsum ".repeat(80);
    for id in 0_usize.. {
        if text.len() >= bytes {
            break;
        }
        let _ = writeln!(text, "INSERT INTO bulk VALUES ({id}, '{body}');");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_migration_has_about_the_size_that_was_asked_for() {
        let text = inserts(1_000_000);
        assert!((1_000_000..1_002_000).contains(&text.len()), "{}", text.len());
        assert!(text.lines().all(|line| line.ends_with(';')));
    }
}
