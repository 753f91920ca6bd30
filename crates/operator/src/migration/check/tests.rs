use serde_json::{Value, json};

use super::*;

fn migration(change: impl FnOnce(&mut Value)) -> DatabaseMigration {
    let mut object = json!({
        "apiVersion": "cofferdam.dev/v1alpha1", "kind": "DatabaseMigration", "metadata": { "name": "orders" },
        "spec": {
            "database": { "type": "postgresql", "connectionSecret": "db" },
            "migration": { "scripts": [{ "name": "a", "source": "configmap://scripts/a.sql" }] },
        },
    });
    change(&mut object);
    serde_json::from_value(object).unwrap()
}

/// Where in the spec, with what: the fields that are refused.
#[test]
fn what_the_schema_lets_in_and_nothing_can_carry_out_is_refused() {
    let script = |name: &str, source: &str, after: &[&str]| json!({ "name": name, "source": source, "dependsOn": after });
    let place = "configmap://scripts/a.sql";
    let metric = |selector: Value| {
        json!({ "post": { "metrics": [{
            "name": "m", "metricName": "x", "threshold": { "operator": "<", "value": "1" },
            "target": { "type": "Pods", "pods": { "selector": selector } },
        }] } })
    };
    let key = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nAAAAAAAAAAAAAAAAAAAAAAAA";
    let pem = |body: &str| format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
    let cases: &[(&str, Value, &[&str])] = &[
        ("/suspend", json!(true), &[]),
        ("/database/type", json!("mongodb"), &["spec.database.type"]),
        ("/database/type", json!("mysql"), &[]),
        ("/database/type", json!("mariadb"), &[]),
        ("/database/connectionSecret", json!("a.b-c"), &[]),
        ("/database/connectionSecret", json!("a..b"), &["spec.database.connectionSecret"]),
        ("/database/connectionSecret", json!("a.-b"), &["spec.database.connectionSecret"]),
        (
            "/database/connection",
            json!({ "urlSecretRef": { "name": "db", "key": "..url" } }),
            &["spec.database.connection.urlSecretRef.key"],
        ),
        ("/migration/previous", json!("a-.b"), &["spec.migration.previous"]),
        ("/migration/scripts", json!([script("a", place, &["b"]), script("b", place, &[])]), &[]),
        (
            "/migration/scripts",
            json!([script("a", place, &["b"]), script("b", place, &["c"]), script("c", place, &["a"])]),
            &["spec.migration.scripts"],
        ),
        // The schema refuses these; an object of an older schema may have them.
        ("/migration/scripts", json!([script("a", place, &["gone"])]), &["spec.migration.scripts"]),
        (
            "/migration/scripts",
            json!([script("a", "configmap://other/scripts/a", &[])]),
            &["spec.migration.scripts[a].source"],
        ),
        (
            "/migration/scripts",
            json!([script("a", "file:///etc/passwd", &[])]),
            &["spec.migration.scripts[a].source"],
        ),
        (
            "/migration/scripts",
            json!([script("a", "configmap://a..b/x", &[])]),
            &["spec.migration.scripts[a].source"],
        ),
        (
            "/migration/scripts",
            json!([script("a", "configmap://a/..", &[])]),
            &["spec.migration.scripts[a].source"],
        ),
        ("/migration/configMaps", json!([{ "name": "x..y" }]), &["spec.migration.configMaps"]),
        ("/migration/image", json!("r.example:5000/team/app:v2"), &[]),
        ("/migration/image", json!("r.example/Team/app:v2"), &["spec.migration.image"]),
        ("/migration/verify", json!({ "publicKey": pem(key) }), &["spec.migration.verify.publicKey"]),
        ("/migration/verify", json!({ "publicKey": pem("%") }), &["spec.migration.verify.publicKey"]),
        (
            "/migration/verify",
            json!({ "publicKey": "-----BEGIN PUBLIC KEY-----\nx" }),
            &["spec.migration.verify.publicKey"],
        ),
        ("/validation", json!({ "preChecks": [{ "type": "disk-space", "threshold": "20GB" }] }), &[]),
        (
            "/validation",
            json!({ "dataIntegrityChecks": { "enabled": false } }),
            &["spec.validation.dataIntegrityChecks.reason"],
        ),
        ("/validation", json!({ "dataIntegrityChecks": { "enabled": false, "reason": "a copy" } }), &[]),
        (
            "/validation",
            json!({ "preChecks": [{ "type": "disk-space", "threshold": "999999999999TB" }] }),
            &["spec.validation.preChecks.threshold"],
        ),
        ("/runner", json!({ "nodeSelector": { "kubernetes.io/arch": "amd64", "a": "" } }), &[]),
        ("/runner", json!({ "nodeSelector": { "a/b/c": "x" } }), &["spec.runner.nodeSelector"]),
        ("/runner", json!({ "nodeSelector": { "a": "x y" } }), &["spec.runner.nodeSelector"]),
        (
            "/runner",
            json!({ "tolerations": [{ "key": "-a", "value": "b-" }] }),
            &["spec.runner.tolerations"; 2],
        ),
        ("/runner", json!({ "imagePullSecrets": [{ "name": "a..b" }] }), &["spec.runner.imagePullSecrets"]),
        (
            "/runner",
            json!({ "resources": { "requests": { "cpu": "100m", "memory": "1Gi" }, "limits": { "cpu": "0.1", "memory": "1024Mi" } } }),
            &[],
        ),
        (
            "/runner",
            json!({ "resources": { "requests": { "cpu": "2", "memory": "1Gi" }, "limits": { "cpu": "1999m", "memory": "1e9" } } }),
            &["spec.runner.resources.requests.cpu", "spec.runner.resources.requests.memory"],
        ),
        ("/runner", json!({ "resources": { "requests": { "cpu": "2" } } }), &[]),
    ];
    for (path, value, fields) in cases {
        let migration = migration(|m| {
            let (parent, key) = path.rsplit_once('/').unwrap();
            m["spec"].pointer_mut(parent).unwrap()[key] = value.clone();
        });
        let found = problems(&migration);
        let named: Vec<&str> = found.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(named, *fields, "{path} {value}");
        // What the operator says are the same words.
        let said = refused(&migration).unwrap_or_default();
        assert!(found.iter().all(|problem| said.contains(&problem.to_string())), "{said}");
        assert_eq!(said.is_empty(), fields.is_empty());
    }
    for (selector, fine) in [
        (json!({ "matchLabels": { "app": "x" } }), true),
        (json!({ "matchLabels": { "app": "x y" } }), false),
        (json!({ "matchExpressions": [{ "key": "a", "operator": "In", "values": ["b"] }] }), true),
        (json!({ "matchExpressions": [{ "key": "a", "operator": "In" }] }), false),
        (json!({ "matchExpressions": [{ "key": "a", "operator": "Exists", "values": ["b"] }] }), false),
        (json!({ "matchExpressions": [{ "key": "a", "operator": "DoesNotExist" }] }), true),
        (json!({ "matchExpressions": [{ "key": "/", "operator": "Exists" }] }), false),
    ] {
        let found = problems(&migration(|m| m["spec"]["checks"] = metric(selector.clone())));
        let refused = found.iter().any(|problem| problem.field.ends_with("pods.selector"));
        assert_eq!(refused, !fine, "{selector} {found:?}");
    }
}

/// A key of cosign's own form passes; the bytes of its point are its own affair.
#[test]
fn a_key_as_cosign_writes_it_passes() {
    use base64::Engine;
    let mut der = hex::decode("3059301306072a8648ce3d020106082a8648ce3d03010703420004").unwrap();
    der.extend([7; 64]);
    let body = base64::engine::general_purpose::STANDARD.encode(&der);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
    assert_eq!(syntax::public_key(&pem), Ok(()));
    der.truncate(80);
    let body = base64::engine::general_purpose::STANDARD.encode(&der);
    assert!(syntax::public_key(&pem.replace(&body, "")).is_ok());
    assert!(
        syntax::public_key(&format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----")).is_err()
    );
}

#[test]
fn amounts_are_compared_by_what_they_mean() {
    for (text, amount) in [
        ("500m", Some(0.5)),
        ("+2", Some(2.0)),
        (".5", Some(0.5)),
        ("1.5Gi", Some(1_610_612_736.0)),
        ("1e3", Some(1000.0)),
        ("2E", Some(2e18)),
        ("1Ei", Some(1_152_921_504_606_846_976.0)),
        ("x", None),
        ("1x", None),
        ("", None),
    ] {
        assert_eq!(syntax::amount(text), amount, "{text}");
    }
}

/// What is there on PostgreSQL only is refused by its field, and nothing else is.
#[test]
fn what_mysql_and_mariadb_have_not_is_refused_by_its_field() {
    let cases: &[(&str, Value)] = &[("spec.migration.drop", json!({ "migration": { "drop": "park" } }))];
    for r#type in ["postgresql", "mysql", "mariadb"] {
        for (field, change) in cases {
            let asked = migration(|m| {
                m["spec"]["database"]["type"] = json!(r#type);
                for (part, values) in change.as_object().unwrap() {
                    for (name, value) in values.as_object().unwrap() {
                        m["spec"][part][name] = value.clone();
                    }
                }
            });
            let refused = gaps::refused(&asked.spec);
            let fields: Vec<&str> = refused.iter().map(|problem| problem.field.as_str()).collect();
            let expected: &[&str] = if r#type == "postgresql" { &[] } else { &[field] };
            assert_eq!(fields, expected, "{type} {change}", r#type = r#type);
        }
    }
}
