//! References. None of them has a namespace: what an object names is in its own namespace, so that nobody can use what
//! belongs to another one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{DataKey, ObjectName};

/// A value of a Secret in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret in the same namespace, for example `db-credentials`.
    pub name: ObjectName,
    /// Key in its data, for example `url`.
    pub key: DataKey,
}

/// A value of a ConfigMap in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapKeyRef {
    /// Name of the ConfigMap in the same namespace, for example `rds-authorities`.
    pub name: ObjectName,
    /// Key in its data, for example `global-bundle.pem`.
    pub key: DataKey,
}

/// An object in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocalRef {
    /// Name of the object in the same namespace, for example `migrations`.
    pub name: ObjectName,
}
