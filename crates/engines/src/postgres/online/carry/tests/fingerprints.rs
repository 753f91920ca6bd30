//! What the fingerprint tells of, and what it does not.

use super::super::fingerprint_query;
use super::support::{database, major, run, server, text};

#[tokio::test]
async fn the_fingerprint_changes_with_the_definition_and_with_nothing_else() {
    let Some(server) = server("the_fingerprint_changes_with_the_definition_and_with_nothing_else") else {
        return;
    };
    let setup = "CREATE TABLE t (id serial PRIMARY KEY, a int, b text); CREATE INDEX t_a ON t (a); CREATE TABLE c (t int REFERENCES t);
        CREATE VIEW v AS SELECT a FROM t; CREATE PUBLICATION p FOR TABLE c;
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; INSERT INTO t (a) SELECT n FROM generate_series(1, 1000) n";
    let client = database(server, "fingerprints", setup).await;
    let oid: u32 = text(&client, "SELECT 't'::regclass::oid::text").await.parse().unwrap();
    let query = fingerprint_query(oid);
    let mut last = text(&client, &query).await;
    let quiet = [
        "INSERT INTO t (a) VALUES (1)",
        "VACUUM FREEZE t",
        "ANALYZE t",
        "REINDEX INDEX CONCURRENTLY t_a",
        "SELECT nextval('t_id_seq')",
        "CREATE TRIGGER \"cofferdam capture x\" AFTER INSERT ON t EXECUTE FUNCTION f()",
        "ALTER TABLE t ENABLE ALWAYS TRIGGER \"cofferdam capture x\"",
        "DROP TRIGGER \"cofferdam capture x\" ON t",
        "GRANT SELECT ON v TO reader",
        "TRUNCATE t, c",
        "CREATE PUBLICATION cofferdam_0123456789ab FOR TABLE t",
        "CREATE TABLE other (LIKE t INCLUDING ALL)",
    ];
    for statement in quiet {
        run(&client, statement).await;
        assert_eq!(text(&client, &query).await, last, "{statement}");
    }
    let mut loud = vec![
        "ALTER TABLE t ADD c int",
        "ALTER TABLE t DROP c",
        "ALTER TABLE t ALTER a SET NOT NULL",
        "ALTER TABLE t ALTER a SET DEFAULT 4",
        "ALTER TABLE t ALTER a SET DEFAULT 5",
        "ALTER TABLE t ALTER b SET STATISTICS 5",
        "ALTER TABLE t ALTER a TYPE bigint USING a",
        "ALTER TABLE t RENAME b TO bb",
        "ALTER TABLE t SET (fillfactor = 50)",
        "ALTER TABLE t ADD CHECK (id > 0) NOT VALID",
        "ALTER TABLE t VALIDATE CONSTRAINT t_id_check",
        "ALTER TABLE c DROP CONSTRAINT c_t_fkey",
        "ALTER TABLE c ADD FOREIGN KEY (t) REFERENCES t",
        "CREATE INDEX t_b ON t (bb)",
        "CREATE INDEX CONCURRENTLY t_c ON t (bb)",
        "DROP INDEX t_c",
        "CREATE TRIGGER x AFTER INSERT ON t EXECUTE FUNCTION f()",
        "ALTER TABLE t DISABLE TRIGGER x",
        "CREATE POLICY x ON t USING (true)",
        "ALTER POLICY x ON t USING (false)",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "GRANT SELECT ON t TO reader",
        "GRANT SELECT (id) ON t TO clerk",
        "ALTER TABLE t OWNER TO keeper",
        "COMMENT ON TABLE t IS 'x'",
        "COMMENT ON COLUMN t.id IS 'x'",
        "CREATE STATISTICS s ON id, bb FROM t",
        "ALTER PUBLICATION p ADD TABLE t",
        "ALTER PUBLICATION p DROP TABLE t",
        "CREATE VIEW w AS SELECT id FROM t",
        "CREATE OR REPLACE VIEW w AS SELECT id FROM t WHERE id > 0",
        "DROP VIEW w",
        "CREATE TABLE child () INHERITS (t)",
        "ALTER TABLE t REPLICA IDENTITY FULL",
        "ALTER SEQUENCE t_id_seq INCREMENT 5",
    ];
    if major(server) >= 14 {
        loud.insert(0, "CREATE FUNCTION body() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM t; END");
    }
    run(&client, "DROP VIEW v").await;
    last = text(&client, &query).await;
    for statement in loud.iter() {
        run(&client, statement).await;
        let now = text(&client, &query).await;
        assert_ne!(now, last, "{statement}");
        last = now;
    }
}
