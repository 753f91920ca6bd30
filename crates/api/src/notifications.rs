//! `spec.notifications`: who is told how a run ends, and when it waits for a person.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reference::SecretKeyRef;
use crate::value::{DataKey, ObjectName};

/// Who is told how a run ends, and when it waits for a person. What cannot be delivered never fails a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notifications {
    /// A message to a channel of Slack. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack: Option<Slack>,
    /// A mail. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// A CloudEvent to an address of yours. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
}

impl Notifications {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A message to a channel of Slack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Slack {
    /// Name of the Secret in the same namespace with the address of Slack's incoming webhook. Example:
    /// `slack-webhook-secret`.
    pub webhook: ObjectName,
    /// Key of the address in that Secret.
    #[serde(default = "url_key")]
    pub key: DataKey,
}

fn url_key() -> DataKey {
    DataKey::from("url")
}

/// A mail, sent through the server that the administrator of the operator set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Email {
    /// Addresses that get it, from 1 to 20. Example: `[dba@company.com]`.
    #[schemars(length(min = 1, max = 20), extend("x-kubernetes-list-type" = "set"))]
    pub recipients: Vec<Address>,
}

/// One mail address, without a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Address(
    #[schemars(
        length(min = 3, max = 254),
        regex(pattern = r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")
    )]
    pub String,
);

/// A CloudEvent to an address of yours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// Where the address is; it must begin with `https://`.
    pub url_secret_ref: SecretKeyRef,
    /// Where a key is that each message is signed with (HMAC-SHA256 over time and body). Default: not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_key_secret_ref: Option<SecretKeyRef>,
}
