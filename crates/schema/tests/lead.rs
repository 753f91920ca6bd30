//! The order of statements, and what becomes of objects, without a server.

use std::collections::BTreeSet;

use cofferdam_schema::{Body, Deed, Key, Kind, Object, Routine, Schema, State, View, compare, lead};

fn schema(objects: &[(Object, &[&Key])]) -> Schema {
    let mut schema = Schema { version: 150_000, ..Schema::default() };
    for (object, needs) in objects {
        let needs = needs.iter().map(|key| (*key).clone()).collect();
        schema.objects.insert(object.key.clone(), Object { needs, ..object.clone() });
    }
    schema
}

fn object(key: Key, body: Body) -> Object {
    Object { key, body, comment: None, owner: None, grants: BTreeSet::new(), needs: BTreeSet::new() }
}

fn view(name: &str, definition: &str, column: &str) -> Object {
    let columns =
        vec![cofferdam_schema::ViewColumn { name: column.into(), ty: "integer".into(), collation: None }];
    let view = View { definition: definition.into(), options: BTreeSet::new(), columns };
    object(Key::new(Kind::View, "s", name), Body::View(view))
}

fn routine(name: &str, result: &str) -> Object {
    let routine = Routine {
        signature: format!("s.{name}()"),
        definition: format!("CREATE OR REPLACE FUNCTION s.{name}() RETURNS {result} ..."),
        procedure: false,
        arguments: String::new(),
        result: Some(result.into()),
        defaults: 0,
    };
    object(Key::new(Kind::Routine, "s", format!("{name}()")), Body::Routine(routine))
}

fn deeds(from: &Schema, to: &Schema) -> Vec<(Deed, String)> {
    lead(from, to)
        .statements
        .into_iter()
        .filter(|s| !s.sql.starts_with("REVOKE"))
        .map(|s| (s.does, s.object))
        .collect()
}

#[test]
fn what_stands_on_what_is_replaced_is_dropped_before_and_made_after() {
    let (f, g) = (routine("f", "int"), routine("f", "text"));
    let (a, b) = (view("a", "SELECT s.f()", "f"), view("b", "SELECT f FROM s.a", "f"));
    let from = schema(&[(f.clone(), &[]), (a.clone(), &[&f.key]), (b.clone(), &[&a.key])]);
    let to = schema(&[(g.clone(), &[]), (a.clone(), &[&g.key]), (b.clone(), &[&a.key])]);
    let names = |deed, names: [&str; 3]| names.map(|name| (deed, name.to_owned()));
    let expected = [
        names(Deed::Drop, ["view s.b", "view s.a", "function s.f()"]),
        names(Deed::Create, ["function s.f()", "view s.a", "view s.b"]),
    ];
    assert_eq!(deeds(&from, &to), expected.concat());
    // One that only does something else is replaced where it is.
    let mut other = f.clone();
    if let Body::Routine(routine) = &mut other.body {
        routine.definition.push_str(" another");
    }
    let to = schema(&[(other, &[]), (a.clone(), &[&f.key]), (b, &[&a.key])]);
    assert_eq!(deeds(&from, &to), [(Deed::Alter, "function s.f()".to_owned())]);
}

#[test]
fn what_has_another_name_is_another_object() {
    let (from, to) =
        (schema(&[(view("a", "SELECT 1", "x"), &[])]), schema(&[(view("b", "SELECT 1", "x"), &[])]));
    let states: Vec<_> = compare(&from, &to).into_iter().map(|d| (d.state, d.key.name)).collect();
    assert_eq!(states, [(State::Removed, "a".to_owned()), (State::Added, "b".to_owned())]);
    let way = lead(&from, &to);
    assert_eq!((way.statements.len(), way.held()), (2, 1));
    assert!(way.carried_out(false).iter().all(|sql| !sql.starts_with("DROP")));
}

#[test]
fn a_circle_is_said_and_nothing_is_left_out() {
    let (a, b) = (view("a", "SELECT 1", "x"), view("b", "SELECT 2", "x"));
    let to = schema(&[(a.clone(), &[&b.key]), (b.clone(), &[&a.key])]);
    let way = lead(&Schema::default(), &to);
    assert_eq!((way.statements.len(), way.notes.len()), (2, 1), "{:?}", way.notes);
}
