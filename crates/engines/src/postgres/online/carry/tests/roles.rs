//! The same without being a superuser: as the owner, and as a member of the owning role.

use super::super::examine;
use super::support::{assert_same, change, database, dump, run, server, text};
use super::way::{prepare, swap};

const SETUP: &str = "CREATE SCHEMA app AUTHORIZATION keeper; GRANT USAGE ON SCHEMA app TO reader;
    SET SESSION AUTHORIZATION keeper; CREATE TABLE app.p (id int PRIMARY KEY); INSERT INTO app.p VALUES (1);
    CREATE TABLE app.t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, p int REFERENCES app.p, s serial, a text);
    CREATE TABLE app.c (t int REFERENCES app.t); INSERT INTO app.t (p) SELECT 1 FROM generate_series(1, 20); INSERT INTO app.c VALUES (3);
    CREATE VIEW app.v AS SELECT p, a FROM app.t; GRANT SELECT ON app.v TO reader; GRANT SELECT ON app.t TO reader; GRANT UPDATE (a) ON app.t TO clerk;
    CREATE POLICY mine ON app.t USING (p > 0); ALTER TABLE app.t ENABLE ROW LEVEL SECURITY;
    CREATE STATISTICS app.st ON p, a FROM app.t; COMMENT ON TABLE app.t IS 'x';
    CREATE TRIGGER w BEFORE UPDATE ON app.t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
    RESET SESSION AUTHORIZATION";

async fn as_role(test: &str, role: &str) {
    let Some(server) = server(test) else { return };
    let (old, new) = (format!("{test}_plain"), format!("{test}_online"));
    let clauses = "ALTER id TYPE bigint, ADD COLUMN z int NOT NULL DEFAULT 4, ADD n bigserial";
    let plain = database(server, &old, SETUP).await;
    run(&plain, &format!("SET SESSION AUTHORIZATION {role}; ALTER TABLE app.t {clauses}")).await;
    let client = database(server, &new, SETUP).await;
    run(
        &client,
        &format!("GRANT CREATE ON DATABASE {new} TO keeper, {role}; SET SESSION AUTHORIZATION {role}"),
    )
    .await;
    let first = dump(server, &new, test);
    let change = change("app.t", clauses);
    let made = prepare(&client, &change).await;
    swap(&client, &made, false).await;
    if let Some(first) = first {
        // The grants on the databases differ on purpose; dumps of a schema do not show them.
        let (expected, found) = (dump(server, &old, test).unwrap(), dump(server, &new, test).unwrap());
        assert_same(&expected, &found, "the swapped table");
        swap(&client, &made, true).await;
        assert_same(&first, &dump(server, &new, test).unwrap(), "the table that was swapped back");
    }
    assert_eq!(text(&client, "SELECT count(*)::text FROM app.t").await, "20");
}

#[tokio::test]
async fn the_owner_can_do_it() {
    as_role("the_owner_can_do_it", "keeper").await;
}

#[tokio::test]
async fn a_member_of_the_owning_role_can_do_it() {
    as_role("a_member_of_the_owning_role_can_do_it", "clerk").await;
}

#[tokio::test]
async fn rights_that_would_be_missing_at_the_swap_are_missed_before() {
    let test = "rights_that_would_be_missing_at_the_swap_are_missed_before";
    let Some(server) = server(test) else { return };
    let setup = "CREATE SCHEMA app AUTHORIZATION keeper; CREATE TABLE app.p (id int PRIMARY KEY); GRANT REFERENCES, SELECT ON app.p TO keeper;
        GRANT USAGE ON SCHEMA app TO PUBLIC; GRANT CREATE ON DATABASE rights TO keeper;
        SET SESSION AUTHORIZATION keeper; CREATE TABLE app.t (id int PRIMARY KEY, p int REFERENCES app.p);
        GRANT SELECT ON app.t TO lender WITH GRANT OPTION; RESET SESSION AUTHORIZATION;
        CREATE VIEW app.v AS SELECT id FROM app.t; SET ROLE lender; GRANT SELECT ON app.t TO reader; RESET ROLE;
        SET SESSION AUTHORIZATION keeper";
    let client = database(server, "rights", setup).await;
    let examined = examine(&client, &change("app.t", "ADD x int")).await.unwrap();
    let all = examined.obstacles.join("\n");
    for part in
        ["grants on app.t were made by lender", "view app.v belongs to postgres", "the foreign key to app.p"]
    {
        assert!(all.contains(part), "{all}");
    }
    assert_eq!(examined.obstacles.len(), 3, "{all}");
}
