//! The packages of the workspace, as `cargo metadata` tells.

use serde_json::Value;

use crate::machine::{cargo, output};

/// A package of the workspace.
#[derive(Debug, Clone, Default)]
pub(super) struct Package {
    /// `cofferdam-core`.
    pub(super) name: String,
    /// What it needs.
    pub(super) dependencies: Vec<Dependency>,
}

/// An arrow.
#[derive(Debug, Clone, Default)]
pub(super) struct Dependency {
    /// The package that it points to.
    pub(super) name: String,
    /// For tests only.
    pub(super) for_tests: bool,
    /// It lies in this repository.
    pub(super) ours: bool,
}

/// Asks cargo.
pub(super) fn read() -> Result<Vec<Package>, String> {
    let text = output(cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?;
    let value = serde_json::from_str(&text).map_err(|e| format!("cargo metadata: {e}"))?;
    Ok(parse(&value))
}

fn parse(metadata: &Value) -> Vec<Package> {
    items(&metadata["packages"])
        .map(|package| Package {
            name: text(&package["name"]),
            dependencies: items(&package["dependencies"])
                .map(|dependency| Dependency {
                    name: text(&dependency["name"]),
                    for_tests: dependency["kind"] == "dev",
                    ours: dependency["path"].is_string(),
                })
                .collect(),
        })
        .collect()
}

/// The items of an array; none of anything else.
pub(super) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A string; empty for anything else.
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A package for the tests of the checks: `*name` is one of ours, `?name` for tests only.
    pub(in super::super) fn package(name: &str, needs: &[&str]) -> Package {
        let dependencies = needs
            .iter()
            .map(|need| Dependency {
                name: need.trim_start_matches(['*', '?']).to_owned(),
                for_tests: need.contains('?'),
                ours: need.contains('*'),
            })
            .collect();
        Package { name: name.to_owned(), dependencies }
    }

    #[test]
    fn metadata_is_read() {
        let metadata = serde_json::json!({"packages": [{"name": "a", "dependencies": [
            {"name": "b", "kind": null, "path": "/r/b"},
            {"name": "c", "kind": "dev"},
        ]}]});
        let packages = parse(&metadata);
        let [b, c] = &packages[0].dependencies[..] else { panic!("{packages:?}") };
        assert!(b.ours && !b.for_tests && !c.ours && c.for_tests);
    }
}
