//! What the runner's Job needs for `spec.notifications`: Secrets as files, and what the administrator set. Pure.

use serde_json::{Value, json};

use cofferdam_api::DatabaseMigration;

use super::build::MODE;
use crate::contract;
use crate::settings::RunnerSettings;

/// Beside what the run itself needs.
#[derive(Default)]
pub(super) struct Notifying {
    pub(super) volumes: Vec<Value>,
    pub(super) mounts: Vec<Value>,
    pub(super) environment: Vec<(&'static str, String)>,
}

impl Notifying {
    /// Mounts keys of a Secret as files of these names. A Secret that is not there holds no run.
    fn add(&mut self, name: &str, at: &str, secret: &str, keys: &[(&str, &str)]) {
        let items: Vec<Value> = keys.iter().map(|(key, path)| json!({ "key": key, "path": path })).collect();
        let source = json!({ "secretName": secret, "defaultMode": MODE, "optional": true, "items": items });
        self.volumes.push(json!({ "name": name, "secret": source }));
        self.mounts.push(json!({ "name": name, "mountPath": at, "readOnly": true }));
    }
}

/// What a migration asks for.
pub(super) fn notifying(migration: &DatabaseMigration, settings: &RunnerSettings) -> Notifying {
    let asked = &migration.spec.notifications;
    let mut all = Notifying::default();
    if let Some(slack) = &asked.slack {
        all.add("notify-slack", contract::SLACK, &slack.webhook.0, &[(slack.key.0.as_str(), "url")]);
    }
    if let Some(webhook) = &asked.webhook {
        let url = &webhook.url_secret_ref;
        all.add("notify-webhook", contract::HOOK, &url.name.0, &[(url.key.0.as_str(), "url")]);
        if let Some(key) = &webhook.signing_key_secret_ref {
            let keys = [(key.key.0.as_str(), "key")];
            all.add("notify-signing-key", contract::HOOK_KEY, &key.name.0, &keys);
        }
    }
    if let (Some(_), Some(smtp)) = (&asked.email, &settings.smtp) {
        all.environment.extend(serde_json::to_string(smtp).ok().map(|text| (contract::SMTP, text)));
        if let Some(secret) = &smtp.existing_secret {
            let keys = [("username", "username"), ("password", "password"), ("ca.crt", "ca.crt")];
            all.add("notify-smtp", contract::SMTP_LOGIN, secret, &keys);
        }
    }
    if (asked.slack.is_some() || asked.webhook.is_some()) && !settings.notify_allow.is_empty() {
        all.environment.push((contract::NOTIFY_ALLOW, settings.notify_allow.join(",")));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Smtp;
    use crate::migration::tests::settings;

    fn migration(notifications: Value) -> DatabaseMigration {
        serde_json::from_value(json!({
            "apiVersion": "cofferdam.dev/v1alpha1", "kind": "DatabaseMigration",
            "metadata": { "name": "orders", "namespace": "shop" },
            "spec": {
                "database": { "type": "postgresql", "connectionSecret": "db" },
                "migration": { "image": "shop:1" },
                "notifications": notifications,
            },
        }))
        .unwrap()
    }

    #[test]
    fn secrets_are_files_and_none_that_lacks_holds_a_run() {
        let migration = migration(json!({
            "slack": { "webhook": "slack" },
            "email": { "recipients": ["dba@company.com"] },
            "webhook": {
                "urlSecretRef": { "name": "hook", "key": "address" },
                "signingKeySecretRef": { "name": "hook", "key": "secret" },
            },
        }));
        let smtp = Smtp {
            host: "mail".into(),
            port: None,
            tls: None,
            from: "a@b.c".into(),
            existing_secret: Some("smtp".into()),
        };
        let set = RunnerSettings { smtp: Some(smtp), notify_allow: vec!["10.0.0.0/8".into()], ..settings() };
        let all = notifying(&migration, &set);
        let mounted: Vec<&str> =
            all.volumes.iter().filter_map(|v| v["secret"]["secretName"].as_str()).collect();
        assert_eq!(mounted, ["slack", "hook", "hook", "smtp"]);
        assert!(all.volumes.iter().all(|volume| volume["secret"]["optional"] == true));
        assert_eq!(all.volumes[1]["secret"]["items"], json!([{ "key": "address", "path": "url" }]));
        assert_eq!((all.mounts.len(), all.environment.len()), (4, 2));
        // Nothing of a Secret is in the Job itself.
        assert!(!format!("{:?}", all.environment).contains("password"));
    }

    #[test]
    fn nothing_is_mounted_for_what_nobody_asked_for() {
        let all =
            notifying(&migration(json!({ "email": { "recipients": ["dba@company.com"] } })), &settings());
        assert!(all.volumes.is_empty() && all.mounts.is_empty() && all.environment.is_empty());
    }
}
