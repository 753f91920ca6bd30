//! Leader election by a Lease, as client-go does it: whoever holds it renews it; whoever does not takes it once it has not
//! been renewed for its duration, as the local clock saw that. Two that both think they lead do no harm: a Job's name
//! follows from what it is for, and a runner holds a lock and an epoch in the database.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};

use crate::failpoint::reached;
use crate::log::log;
use crate::settings::Settings;

/// The lease of this replica.
pub struct Election {
    api: Api<Lease>,
    name: String,
    identity: String,
    duration: Duration,
    /// When it was renewed the last time.
    renewed: Mutex<Option<Instant>>,
}

/// What was seen of a lease that somebody else holds.
struct Watched {
    /// Changes with every renewal.
    version: Option<String>,
    since: Instant,
}

impl Election {
    /// That of the settings.
    pub fn new(client: Client, settings: &Settings) -> Self {
        Self {
            api: Api::namespaced(client, &settings.own_namespace),
            name: settings.lease.clone(),
            identity: settings.identity.clone(),
            duration: settings.lease_duration,
            renewed: Mutex::default(),
        }
    }

    /// Whether nobody else can have taken it yet. A process that stood still for a while, and goes on in the middle of a
    /// look, sees here that what it saw is of the past.
    pub fn leads(&self) -> bool {
        let renewed = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        renewed.is_some_and(|renewed| renewed.elapsed() <= self.safe())
    }

    /// For how long it is ours after it was renewed: less than another waits before it takes it.
    fn safe(&self) -> Duration {
        self.duration * 2 / 3
    }

    /// As of before it was asked for: from then on another counts.
    fn renewed_at(&self, at: Instant) {
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }

    /// Waits until this replica leads.
    pub async fn won(&self) {
        let mut watched: Option<Watched> = None;
        loop {
            let now = Instant::now();
            match self.try_for(&mut watched).await {
                Ok(true) => return self.renewed_at(now),
                Ok(false) => {}
                Err(error) => log("warning", &self.name, &format!("the lease cannot be asked for: {error}")),
            }
            // Often: what is given back is taken at once, and what was lost soon after its time.
            tokio::time::sleep(self.duration / 15).await;
        }
    }

    /// Renews as long as that can be done; ends when this replica does not lead any more.
    pub async fn lost(&self) {
        loop {
            tokio::time::sleep(self.duration / 6).await;
            let now = Instant::now();
            // An answer that does not come is none.
            match tokio::time::timeout(self.duration / 3, self.renew())
                .await
                .unwrap_or_else(|late| Err(kube::Error::Service(late.into())))
            {
                Ok(true) => self.renewed_at(now),
                Ok(false) => return,
                Err(error) => log("warning", &self.name, &format!("the lease cannot be renewed: {error}")),
            }
            // Sooner than another may take it.
            if !self.leads() {
                return;
            }
        }
    }

    /// Gives it back, so that another need not wait.
    pub async fn give_back(&self) {
        let Ok(Some(mut lease)) = self.api.get_opt(&self.name).await else { return };
        if self.holder(&lease) != Some(&self.identity) {
            return;
        }
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = None;
        }
        let _ = self.api.replace(&self.name, &PostParams::default(), &lease).await;
        let _ = reached("operator.lease.given-back");
    }

    fn holder<'a>(&self, lease: &'a Lease) -> Option<&'a String> {
        lease.spec.as_ref()?.holder_identity.as_ref().filter(|holder| !holder.is_empty())
    }

    async fn try_for(&self, watched: &mut Option<Watched>) -> Result<bool, kube::Error> {
        let Some(lease) = self.api.get_opt(&self.name).await? else {
            let made = self.api.create(&PostParams::default(), &self.mine(None)).await;
            return won_or_not(made, "operator.lease.taken");
        };
        let free = match self.holder(&lease) {
            None => true,
            Some(holder) if *holder == self.identity => true,
            Some(_) => {
                let version = lease.metadata.resource_version.clone();
                match watched {
                    Some(seen) if seen.version == version => seen.since.elapsed() > self.duration,
                    _ => {
                        *watched = Some(Watched { version, since: Instant::now() });
                        false
                    }
                }
            }
        };
        if !free {
            return Ok(false);
        }
        // With the version that was read: of two that try only one succeeds.
        let made = self.api.replace(&self.name, &PostParams::default(), &self.mine(Some(lease))).await;
        won_or_not(made, "operator.lease.taken")
    }

    async fn renew(&self) -> Result<bool, kube::Error> {
        let Some(lease) = self.api.get_opt(&self.name).await? else { return Ok(false) };
        if self.holder(&lease) != Some(&self.identity) {
            return Ok(false);
        }
        let made = self.api.replace(&self.name, &PostParams::default(), &self.mine(Some(lease))).await;
        won_or_not(made, "operator.lease.renewed")
    }

    fn mine(&self, old: Option<Lease>) -> Lease {
        let now = MicroTime(Timestamp::now());
        let metadata = old.as_ref().map_or_else(
            || ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
            |lease| lease.metadata.clone(),
        );
        let spec = old.and_then(|lease| lease.spec).unwrap_or_default();
        let mine = spec.holder_identity.as_ref() == Some(&self.identity);
        let transitions = spec.lease_transitions.unwrap_or(0);
        Lease {
            metadata,
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: i32::try_from(self.duration.as_secs()).ok(),
                acquire_time: if mine { spec.acquire_time } else { Some(now.clone()) },
                lease_transitions: Some(if mine { transitions } else { transitions + 1 }),
                renew_time: Some(now),
                ..LeaseSpec::default()
            }),
        }
    }
}

/// A conflict means that somebody else was faster.
fn won_or_not(result: Result<Lease, kube::Error>, failpoint: &str) -> Result<bool, kube::Error> {
    match result {
        Ok(_) => reached(failpoint).map(|()| true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}
