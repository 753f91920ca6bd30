//! What a rehearsal refuses that no statement failed of.

use serde_json::{Value, json};

use crate::{rehearse, shop, steps};

/// A trigger takes a lock of which no statement speaks.
const HEAVY: &str = "CREATE FUNCTION heavy() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN LOCK TABLE orders IN SHARE MODE; RETURN NULL; END $$;
    CREATE TRIGGER heavy AFTER UPDATE ON customers FOR EACH STATEMENT EXECUTE FUNCTION heavy()";

#[test]
fn a_statement_that_takes_more_than_the_plan_says_is_refused() {
    let bench = shop("more");
    bench.file("V1__change.sql", "UPDATE customers SET n = 2 WHERE id = 1;");
    let (code, found, said) = rehearse(&bench, &[]);
    assert_eq!(code, 0, "{found:#}\n{said}");
    bench.query(HEAVY);
    let (code, found, said) = rehearse(&bench, &[]);
    assert_eq!(code, 4, "{found:#}\n{said}");
    assert!(said.contains("error[CF3737]") && said.contains("takes SHARE on public.orders"), "{said}");
    assert_eq!(found["mayBeApplied"], false);
    let more: Vec<&Value> =
        steps(&found, "there").iter().flat_map(|step| step["more"].as_array().unwrap()).collect();
    assert_eq!(more.len(), 1, "{found:#}");
    // In the database itself it is seen as well, and is not done.
    let (code, found, said) = rehearse(&bench, &["--in-transaction"]);
    assert_eq!(code, 4, "{found:#}\n{said}");
    assert_eq!(bench.one("SELECT count(*) FROM customers WHERE n = 2"), "0");
}

#[test]
fn a_copy_that_lacks_what_the_migration_names_is_refused() {
    let bench = shop("lacks");
    // Operators are not copied, and a table cannot be made without that of its constraint.
    bench.query(
        "CREATE FUNCTION alike(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 = $2';
         CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = alike);
         CREATE TABLE odd (a int CHECK (a === 1), b text)",
    );
    bench.file("V1__change.sql", "ALTER TABLE odd ADD COLUMN extra text;");
    let (code, found, said) = rehearse(&bench, &[]);
    assert_eq!((code, &found["code"]), (1, &json!("CF3739")), "{found:#}\n{said}");
    assert_eq!(found["what"], "table public.odd is not in the copy as it is in the database");
    assert!(found["cause"].as_str().unwrap().contains("operator does not exist"), "{found:#}");
    // What is about something else is rehearsed all the same, and what lacks is said.
    bench.file("V1__change.sql", "ALTER TABLE orders ADD COLUMN extra text;");
    let (code, found, said) = rehearse(&bench, &[]);
    assert_eq!(code, 0, "{found:#}\n{said}");
    let named: Vec<&str> =
        found["notCarried"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(named, ["operator public.===", "table public.odd"]);
    assert_eq!(found["copyDiffers"][0]["object"], "table public.odd", "{found:#}");
}

#[test]
fn what_is_given_and_said_belongs_to_the_schema() {
    let bench = shop("given");
    let role = format!("reader_{}", bench.database);
    bench.query(&format!("CREATE ROLE {role}; GRANT SELECT ON orders TO {role}"));
    bench.file(
        "V1__change.sql",
        &format!("GRANT INSERT ON orders TO {role}; COMMENT ON TABLE parent IS 'p';"),
    );
    bench.file("U1__change.sql", &format!("REVOKE INSERT ON orders FROM {role};"));
    let (code, found, said) = rehearse(&bench, &[]);
    assert_eq!(code, 1, "{found:#}\n{said}");
    let differs: Vec<&str> =
        found["differs"].as_array().unwrap().iter().map(|one| one["object"].as_str().unwrap()).collect();
    assert_eq!(differs, ["table public.parent"], "{found:#}");
    bench.file(
        "U1__change.sql",
        &format!("REVOKE INSERT ON orders FROM {role}; COMMENT ON TABLE parent IS NULL;"),
    );
    let (code, found, said) = rehearse(&bench, &[]);
    assert_eq!(code, 0, "{found:#}\n{said}");
}

#[test]
fn the_next_number_of_a_sequence_is_none_that_a_row_of_the_sample_has() {
    let bench = shop("numbers");
    bench.file("V1__change.sql", "INSERT INTO orders (customer, note) VALUES (1, 'new');");
    let (code, found, said) = rehearse(&bench, &["--sample-rows", "1000"]);
    assert_eq!(code, 0, "{found:#}\n{said}");
}
