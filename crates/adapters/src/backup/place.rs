//! The place itself: a URL becomes a store.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Refusal};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig};
use url::Url;

use super::trouble::{fault, unusable};

/// How long a place may leave a request without an answer.
const ANSWER: Duration = Duration::from_secs(30);
/// How long a request of a backup that is at work is tried again: a server that is started anew meanwhile is no reason to
/// begin once more with all of it.
const TRIES: Duration = Duration::from_secs(30);
/// And at most so long apart.
const APART: Duration = Duration::from_secs(2);
/// How often a request is tried again with which nothing is lost.
const FEW: usize = 5;

/// What opens a bucket, under the names of the usual variables. Without any the process's own environment says.
#[derive(Clone, Default)]
pub struct Credentials(BTreeMap<String, String>);

impl Credentials {
    /// These values, under the names of the variables (`AWS_ACCESS_KEY_ID`).
    pub fn of(values: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(values.into_iter().collect())
    }

    /// Those of the process.
    pub fn of_environment() -> Self {
        Self::of(std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            let known = ["AWS_", "GOOGLE_", "AZURE_"].iter().any(|start| name.starts_with(start));
            Some((name, value.into_string().ok()?)).filter(|_| known)
        }))
    }

    /// The values whose names begin so, in the small letters that the builders take.
    fn beginning(&self, start: &'static str) -> impl Iterator<Item = (String, &str)> {
        self.0
            .iter()
            .filter(move |(name, _)| name.starts_with(start))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()))
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// A place for backups.
#[derive(Debug, Clone)]
pub struct Place {
    pub(super) store: Arc<dyn ObjectStore>,
    /// The same, which gives up soon: a place that cannot be reached is to be known at once.
    pub(super) quick: Arc<dyn ObjectStore>,
    pub(super) prefix: Path,
    shown: String,
    /// Where it lies on this machine; `None`: in a bucket.
    pub(super) folder: Option<PathBuf>,
}

impl Place {
    /// A place by its URL, or by the path of a folder. Nothing is asked of it yet, but that a folder is there.
    ///
    /// # Errors
    /// `BackupUnreachable` for a URL of another kind, and for a folder that is not there.
    pub fn open(url: &str, credentials: &Credentials) -> Result<Self> {
        // The provider of reqwest, which object_store does not install.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let shown = url.trim_end_matches('/').to_owned();
        let Some((scheme, rest)) = url.split_once("://") else { return Self::folder(url, shown) };
        if scheme == "file" {
            return Self::folder(rest, shown);
        }
        let parsed = Url::parse(url).map_err(|e| unusable(&shown).cause(e.to_string()))?;
        let bucket = parsed.host_str().unwrap_or_default();
        if bucket.is_empty() || !parsed.username().is_empty() || parsed.query().is_some() {
            return Err(unusable(&shown).cause("it names a bucket and a prefix, and nothing else").into());
        }
        let prefix = Path::parse(parsed.path().trim_matches('/')).map_err(|e| fault(e.into(), &shown))?;
        let patient = BackoffConfig { max_backoff: APART, ..BackoffConfig::default() };
        let store = |max_retries, backoff| {
            let retry = RetryConfig { max_retries, backoff, retry_timeout: TRIES };
            bucket_of(scheme, bucket, credentials, retry).map_err(|e| match e {
                Some(e) => fault(e, &shown),
                None => unusable(&shown).cause(format!("{scheme}:// is not known")).into(),
            })
        };
        let (store, quick) = (store(usize::MAX, patient)?, store(FEW, BackoffConfig::default())?);
        Ok(Self { store, quick, prefix, shown, folder: None })
    }

    fn folder(path: &str, shown: String) -> Result<Self> {
        let path = std::path::Path::new(path);
        if !path.is_dir() {
            return Err(unusable(&shown)
                .cause(
                    "there is no such folder; it is not made, so that a disk that is not mounted is noticed",
                )
                .help(format!("mkdir -p {}", path.display()))
                .into());
        }
        let store = LocalFileSystem::new_with_prefix(path).map_err(|e| fault(e, &shown))?;
        // What is said to be written must be there after the power fails.
        let store: Arc<dyn ObjectStore> = Arc::new(store.with_fsync(true).with_automatic_cleanup(true));
        let quick = Arc::clone(&store);
        Ok(Self { store, quick, prefix: Path::default(), shown, folder: Some(path.to_owned()) })
    }

    /// A store that is there already, for tests.
    #[cfg(test)]
    pub(super) fn of(store: Arc<dyn ObjectStore>) -> Self {
        let quick = Arc::clone(&store);
        Self { store, quick, prefix: Path::from("some/prefix"), shown: "memory".into(), folder: None }
    }

    /// As it was given, without a slash at its end.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Where a backup of this name lies.
    pub fn location(&self, id: &str) -> String {
        format!("{}/{id}", self.shown)
    }

    /// The place of an object of a backup.
    pub(super) fn path(&self, id: &str, object: &str) -> Path {
        let below = format!("{id}/{object}");
        let all = match self.prefix.as_ref() {
            "" => below,
            prefix => format!("{prefix}/{below}"),
        };
        Path::from(all)
    }

    /// Writes an object, reads it back and removes it, so that a place that is down, full or closed is known before
    /// anything else is done.
    ///
    /// # Errors
    /// `BackupUnreachable`, `BackupDenied` and `BackupFull`.
    pub async fn probe(&self) -> Result<()> {
        let id = format!("probe-{}", uuid::Uuid::now_v7());
        let probed = self.probed(&id).await;
        self.sweep(&id).await;
        probed
    }

    async fn probed(&self, id: &str) -> Result<()> {
        let path = self.path(id, "probe");
        let wrong = |e| fault(e, &self.shown);
        self.quick.put(&path, "cofferdam".into()).await.map_err(wrong)?;
        let back = self.quick.get(&path).await.map_err(wrong)?.bytes().await.map_err(wrong)?;
        // Whoever may write and not remove (a bucket that keeps everything) has a good place all the same.
        let _ = self.quick.delete(&path).await;
        if back != "cofferdam".as_bytes() {
            return Err(Refusal::new(
                Code::BackupUnreachable,
                format!("{} gives back something else", self.shown),
            )
            .cause("an object was written and read back, and its bytes are others")
            .help("choose another place")
            .into());
        }
        Ok(())
    }
}

/// `Err(None)`: there is no such scheme.
fn bucket_of(
    scheme: &str,
    bucket: &str,
    credentials: &Credentials,
    retry: RetryConfig,
) -> Result<Arc<dyn ObjectStore>, Option<object_store::Error>> {
    let options = ClientOptions::new().with_timeout(ANSWER).with_connect_timeout(ANSWER / 3);
    let open = |name: &str| credentials.0.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    // A key that a builder does not know is one of another program. The options come last: they would else be forgotten.
    Ok(match scheme {
        "s3" => {
            let mut builder = AmazonS3Builder::new();
            for (name, value) in credentials.beginning("AWS_") {
                if let Ok(key) = name.parse() {
                    builder = builder.with_config(key, value);
                }
            }
            let builder = builder.with_client_options(options.with_allow_http(open("AWS_ALLOW_HTTP")));
            Arc::new(builder.with_bucket_name(bucket).with_retry(retry).build()?)
        }
        "gs" => {
            let mut builder = GoogleCloudStorageBuilder::new();
            for (name, value) in credentials.beginning("GOOGLE_") {
                if let Ok(key) = name.parse() {
                    builder = builder.with_config(key, value);
                }
            }
            let builder = builder.with_client_options(options.with_allow_http(open("GOOGLE_ALLOW_HTTP")));
            Arc::new(builder.with_bucket_name(bucket).with_retry(retry).build()?)
        }
        "az" => {
            let mut builder = MicrosoftAzureBuilder::new();
            for (name, value) in credentials.beginning("AZURE_") {
                if let Ok(key) = name.parse() {
                    builder = builder.with_config(key, value);
                }
            }
            let builder = builder.with_client_options(options.with_allow_http(open("AZURE_ALLOW_HTTP")));
            Arc::new(builder.with_container_name(bucket).with_retry(retry).build()?)
        }
        _ => return Err(None),
    })
}
