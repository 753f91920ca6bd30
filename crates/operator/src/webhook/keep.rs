//! Keeping the certificate that is shown the one of the Secret, and, where it is ours to make, the Secret and the webhook
//! configurations in order.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use cofferdam_api::names;

use super::certificates::{Data, Dated, Held, certificates, pem, trusted};
use super::rotate::{SETTLED, Step, next};
use super::serve::Shown;
use crate::failpoint::reached;
use crate::log::log;
use crate::metrics::Metrics;
use crate::settings::{Settings, WebhookSettings};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(5);
/// And while there is nothing to show, or something is being done.
const SOON: Duration = Duration::from_secs(1);

/// What keeps it.
pub(super) struct Keeper {
    secrets: Api<Secret>,
    validating: Api<ValidatingWebhookConfiguration>,
    mutating: Api<MutatingWebhookConfiguration>,
    settings: WebhookSettings,
    names: Vec<String>,
    shown: Arc<Shown>,
    metrics: Arc<Metrics>,
    leads: Arc<AtomicBool>,
    ready: Arc<AtomicBool>,
    /// Since when the configurations trust what they should, as far as this process saw.
    settled: Option<Instant>,
}

/// A webhook configuration, as far as we write it.
struct Published {
    version: Option<String>,
    /// The names of its webhooks.
    webhooks: Vec<String>,
    /// What each of them trusts.
    trust: Vec<Vec<Dated>>,
}

impl Keeper {
    /// Of the settings. `leads` says whether this replica does, `ready` is told once requests can be answered.
    pub(super) fn new(
        client: &Client,
        (settings, all): (&WebhookSettings, &Settings),
        (shown, metrics): (Arc<Shown>, Arc<Metrics>),
        (leads, ready): (Arc<AtomicBool>, Arc<AtomicBool>),
    ) -> Self {
        Self {
            secrets: Api::namespaced(client.clone(), &all.own_namespace),
            validating: Api::all(client.clone()),
            mutating: Api::all(client.clone()),
            settings: settings.clone(),
            names: settings.names(&all.own_namespace),
            shown,
            metrics,
            leads,
            ready,
            settled: None,
        }
    }

    /// Keeps it until the future is dropped. Nothing that goes wrong here ends it: what is shown is shown on.
    pub(super) async fn keep(mut self) {
        let mut said = String::new();
        loop {
            let pause = match self.look().await {
                Ok(pause) => {
                    said.clear();
                    pause
                }
                Err(why) => {
                    // Once, and not every five seconds.
                    if why != said {
                        log("warning", &self.settings.secret, &format!("the webhook's certificate: {why}"));
                        said = why;
                    }
                    PAUSE
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn look(&mut self) -> Result<Duration, String> {
        let name = &self.settings.secret;
        let secret = self.secrets.get_opt(name).await.map_err(|e| format!("Secret {name}: {e}"))?;
        let data: Data = secret
            .iter()
            .flat_map(|secret| secret.data.iter().flatten())
            .map(|(key, ByteString(bytes))| (key.clone(), bytes.clone()))
            .collect();
        let held = Held::read(&data);
        if let Some(leaf) = &held.leaf {
            if self.shown.show(leaf) {
                log(
                    "info",
                    name,
                    &format!("shows a certificate that is valid until {}", leaf.certificate.until),
                );
            }
            self.metrics.webhook_certificate(leaf.certificate.until);
        }
        let Some(configuration) = self.settings.configuration.clone() else {
            // What is shown is shown on, should the Secret be gone.
            self.ready.store(self.shown.any(), Ordering::Relaxed);
            return match held.leaf {
                Some(_) => Ok(PAUSE),
                None => {
                    Err(format!("Secret {name} has no certificate in tls.crt with its key in tls.key yet"))
                }
            };
        };
        // Only the leader makes them; but a new Pod must be ready before the old leader goes, so the first one is made
        // by whoever finds none.
        let first = held.leaf.is_none() && !self.shown.any();
        let makes = self.leads.load(Ordering::Relaxed) || first;
        if !makes && self.ready.load(Ordering::Relaxed) {
            return Ok(PAUSE);
        }
        let validating = read(&self.validating, &configuration).await?;
        let mutating = read(&self.mutating, &configuration).await?;
        let published = [validating.trust.clone(), mutating.trust.clone()].concat();
        let now = Timestamp::now();
        if let Some(leaf) = &held.leaf
            && let Some(host) = self.names.first()
            && published.iter().all(|trust| trusted(&leaf.certificate, trust, host, now))
        {
            self.ready.store(true, Ordering::Relaxed);
        }
        if !makes {
            return Ok(SOON);
        }
        let settled = self.settled.is_some_and(|since| since.elapsed() >= SETTLED);
        let step = next(&held, &published, &self.names, settled, now);
        match step {
            Step::Publish | Step::Authority => self.settled = None,
            _ => self.settled = self.settled.or_else(|| Some(Instant::now())),
        }
        let version = secret.as_ref().and_then(|secret| secret.metadata.resource_version.clone());
        match step {
            Step::Rest => return Ok(PAUSE),
            Step::Wait => return Ok(SOON),
            Step::Authority => self.write(version, held.with_new_authority(&published, now)?).await?,
            Step::Certificate => self.write(version, held.with_new_leaf(&self.names, now)?).await?,
            Step::Forget => {
                let data = held.without_the_old().ok_or("there is no authority")?;
                self.write(version, data).await?;
            }
            Step::Publish => {
                let bundle = pem(held.authorities.iter());
                publish(&self.validating, &configuration, &validating, &bundle).await?;
                reached("operator.webhook.first").map_err(|e| e.to_string())?;
                publish(&self.mutating, &configuration, &mutating, &bundle).await?;
                reached("operator.webhook.both").map_err(|e| e.to_string())?;
            }
        }
        log("info", name, step.said());
        Ok(SOON)
    }

    /// Applied and not replaced: so the right to make it can be one for this name alone.
    async fn write(&self, version: Option<String>, data: Data) -> Result<(), String> {
        let name = &self.settings.secret;
        let data: Value = data
            .into_iter()
            .map(|(key, bytes)| (key, json!(ByteString(bytes))))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let mut patch =
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "data": data });
        if let Some(version) = version {
            patch["metadata"]["resourceVersion"] = json!(version);
        }
        let parameters = PatchParams::apply(names::OPERATOR).force();
        let written = self.secrets.patch(name, &parameters, &Patch::Apply(&patch)).await;
        let written = written.and_then(|_| reached("operator.webhook.secret"));
        written.map_err(|e| format!("Secret {name} cannot be written: {e}"))
    }
}

impl Step {
    fn said(self) -> &'static str {
        match self {
            Step::Rest => "nothing is to be done",
            Step::Wait => "waits until every apiserver knows the new authority",
            Step::Authority => "made an authority",
            Step::Certificate => "made a certificate",
            Step::Forget => "forgot the authority before",
            Step::Publish => "published the authorities",
        }
    }
}

async fn read<K>(api: &Api<K>, name: &str) -> Result<Published, String>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + serde::Serialize,
{
    let kind = K::kind(&());
    let found = api.get(name).await.map_err(|e| format!("{kind} {name}: {e}"))?;
    let webhooks = serde_json::to_value(&found).map_err(|e| e.to_string())?["webhooks"].take();
    let all = webhooks.as_array().map(Vec::as_slice).unwrap_or_default();
    let trust = |webhook: &Value| {
        let bundle = serde_json::from_value::<ByteString>(webhook["clientConfig"]["caBundle"].clone());
        bundle.map(|ByteString(pem)| certificates(&pem)).unwrap_or_default()
    };
    Ok(Published {
        version: found.meta().resource_version.clone(),
        webhooks: all.iter().filter_map(|one| one["name"].as_str().map(str::to_owned)).collect(),
        trust: all.iter().map(trust).collect(),
    })
}

async fn publish<K>(api: &Api<K>, name: &str, read: &Published, bundle: &str) -> Result<(), String>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let bundle = ByteString(bundle.as_bytes().to_vec());
    let webhooks: Vec<Value> = read
        .webhooks
        .iter()
        .map(|webhook| json!({ "name": webhook, "clientConfig": { "caBundle": bundle } }))
        .collect();
    // The API merges the list by the names of the webhooks.
    let patch = json!({ "metadata": { "resourceVersion": read.version }, "webhooks": webhooks });
    let parameters =
        PatchParams { field_manager: Some(names::OPERATOR.to_owned()), ..PatchParams::default() };
    let written = api.patch(name, &parameters, &Patch::Strategic(&patch)).await;
    written.map(|_| ()).map_err(|e| format!("{} {name} cannot be written: {e}", K::kind(&())))
}
