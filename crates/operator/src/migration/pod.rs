//! What of `spec.runner` becomes part of a Pod. Pure.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::{Value, json};

use cofferdam_api::DatabaseMigration;

use super::check;
use crate::settings::RunnerSettings;

/// The taints that do not matter. A toleration without a value is for every value: for Kubernetes one without an operator
/// is compared with its value, and none is the empty one.
pub(super) fn tolerations(migration: &DatabaseMigration) -> Vec<Value> {
    let all = &migration.spec.runner.tolerations;
    all.iter()
        .map(|toleration| match &toleration.value {
            Some(value) => json!({
                "key": toleration.key, "operator": "Equal", "value": value, "effect": toleration.effect,
            }),
            None => json!({ "key": toleration.key, "operator": "Exists", "effect": toleration.effect }),
        })
        .collect()
}

/// What is given in the spec beats what the administrator set, and what the administrator set gives way where both cannot
/// be: the API refuses a Pod that asks for more than its limit.
///
/// # Errors
/// An amount that cannot be written as JSON; for people.
pub(super) fn resources(migration: &DatabaseMigration, settings: &RunnerSettings) -> Result<Value, String> {
    let mut all = settings.resources.clone();
    let given = serde_json::to_value(&migration.spec.runner.resources).map_err(|e| e.to_string())?;
    for (kind, opposite) in [("requests", "limits"), ("limits", "requests")] {
        let Some(amounts) = given.get(kind).and_then(Value::as_object) else { continue };
        for (name, amount) in amounts {
            all[kind][name] = amount.clone();
            let said = given.get(opposite).is_some_and(|other| other.get(name).is_some());
            let (request, limit) = match kind {
                "requests" => (amount, &all["limits"][name]),
                _ => (&all["requests"][name], amount),
            };
            if !said && more(request, limit) {
                all[opposite][name] = amount.clone();
            }
        }
    }
    Ok(all)
}

/// Both are amounts, and the first is more than the second. The administrator may have written a number.
fn more(one: &Value, other: &Value) -> bool {
    let amount = |value: &Value| {
        let text = serde_json::from_value::<Quantity>(value.clone()).ok().map(|quantity| quantity.0);
        check::amount(&text.unwrap_or_else(|| value.to_string()))
    };
    amount(one).zip(amount(other)).is_some_and(|(one, other)| one > other)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{migration, settings};
    use super::*;

    fn asked(given: Value, administrator: Value) -> Value {
        let object = migration(|m| m["spec"]["runner"] = json!({ "resources": given }));
        resources(&object, &RunnerSettings { resources: administrator, ..settings() }).unwrap()
    }

    #[test]
    fn what_the_administrator_set_gives_way_to_what_is_given() {
        let usual =
            json!({ "requests": { "cpu": "100m", "memory": "128Mi" }, "limits": { "memory": "512Mi" } });
        let memory = |request: &str, limit: &str| json!({ "requests": { "cpu": "100m", "memory": request }, "limits": { "memory": limit } });
        for (given, expected) in [
            (json!({}), memory("128Mi", "512Mi")),
            (json!({ "limits": { "memory": "64Mi" } }), memory("64Mi", "64Mi")),
            (json!({ "limits": { "memory": "1Gi" } }), memory("128Mi", "1Gi")),
            (json!({ "requests": { "memory": "1Gi" } }), memory("1Gi", "1Gi")),
            (json!({ "requests": { "memory": "131072k" } }), memory("131072k", "512Mi")),
            // Both are given: it is for the check of the spec to say that they do not fit.
            (json!({ "requests": { "memory": "2Gi" }, "limits": { "memory": "1Gi" } }), memory("2Gi", "1Gi")),
        ] {
            assert_eq!(asked(given.clone(), usual.clone()), expected, "{given}");
        }
        // Numbers, as YAML has them.
        let numbers = json!({ "requests": { "memory": 134_217_728 } });
        let expected = json!({ "requests": { "memory": "64Mi" }, "limits": { "memory": "64Mi" } });
        assert_eq!(asked(json!({ "limits": { "memory": "64Mi" } }), numbers), expected);
        assert_eq!(
            asked(json!({ "limits": { "cpu": "1" } }), json!({})),
            json!({ "limits": { "cpu": "1" } })
        );
    }

    #[test]
    fn a_toleration_without_a_value_is_for_every_value() {
        let object = migration(|m| {
            m["spec"]["runner"] = json!({ "tolerations": [
                { "key": "dedicated" },
                { "key": "dedicated", "value": "databases", "effect": "NoSchedule" },
                { "key": "dedicated", "value": "" },
            ] });
        });
        assert_eq!(
            json!(tolerations(&object)),
            json!([
                { "key": "dedicated", "operator": "Exists", "effect": null },
                { "key": "dedicated", "operator": "Equal", "value": "databases", "effect": "NoSchedule" },
                { "key": "dedicated", "operator": "Equal", "value": "", "effect": null },
            ])
        );
    }
}
