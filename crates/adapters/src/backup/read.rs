//! Reading: manifests, parts, lists; and removing.

use bytes::Bytes;
use cofferdam_core::backup::{Manifest, Part};
use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Refusal, plan::sha256_hex};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt};

use super::seal::Keys;
use super::trouble::fault;
use super::write::Rows;
use super::{LARGEST_MANIFEST, MANIFEST, Place};

/// A backup that was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// What it says of itself.
    pub manifest: Manifest,
    /// SHA-256 of the manifest as it lies there.
    pub sha256: String,
}

/// One line of a list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The folder's name.
    pub id: String,
    /// `Err`: why it is no backup, or none that can be read.
    pub found: Result<Found, String>,
}

impl Place {
    /// The manifest of a backup.
    ///
    /// # Errors
    /// `NoSuchBackup`, and `BackupDamaged` where it is none that can be read.
    pub async fn manifest(&self, id: &str) -> Result<Found> {
        let none = || {
            Refusal::new(Code::NoSuchBackup, format!("{} has no backup {id:?}", self.shown()))
                .cause("there is no such folder, or it has no manifest: a backup that was cut off is none")
                .help(format!("cofferdam backup list --to {}", self.shown()))
        };
        if !cofferdam_core::backup::is_id(id) {
            return Err(none().into());
        }
        let got = match self.quick.get(&self.path(id, MANIFEST)).await {
            Err(Error::NotFound { .. }) => return Err(none().into()),
            got => got.map_err(|e| fault(e, self.shown()))?,
        };
        let location = self.location(id);
        if got.meta.size > LARGEST_MANIFEST {
            return Err(damaged(&location, MANIFEST, "it is too large to be one").into());
        }
        let text = got.bytes().await.map_err(|e| fault(e, self.shown()))?;
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|e| damaged(&location, MANIFEST, &e.to_string()))?;
        let wrong = manifest
            .fault()
            .or_else(|| (manifest.id != id).then(|| format!("it is that of {}", manifest.id)));
        match wrong {
            Some(why) => Err(damaged(&location, MANIFEST, &why).into()),
            None => Ok(Found { manifest, sha256: sha256_hex(&text) }),
        }
    }

    /// What the parts hold, one after the other. Each is compared with its digest before anything of it is given out.
    pub fn rows(&self, manifest: &Manifest, parts: &[Part], keys: &Keys) -> Rows<'static> {
        let (place, id, keys) = (self.clone(), manifest.id.clone(), keys.clone());
        let encrypted = !manifest.encrypted_to.is_empty();
        futures::stream::iter(parts.to_vec())
            .then(move |part| {
                let (place, id, keys) = (place.clone(), id.clone(), keys.clone());
                async move { place.part(&id, &part, encrypted, keys).await }
            })
            .boxed()
    }

    async fn part(&self, id: &str, part: &Part, encrypted: bool, keys: Keys) -> Result<Bytes> {
        let location = self.location(id);
        let sealed = self.sealed(&location, id, part).await?;
        let holds = part.holds;
        let opened = tokio::task::spawn_blocking(move || keys.unseal(&sealed, encrypted, holds));
        let opened = opened.await.map_err(|e| Fault::Bug(format!("unpacking a part: {e}")))?;
        opened.map(Bytes::from).map_err(|why| why.fault(&location, &part.object))
    }

    async fn sealed(&self, location: &str, id: &str, part: &Part) -> Result<Bytes> {
        let got = match self.store.get(&self.path(id, &part.object)).await {
            Err(Error::NotFound { .. }) => {
                return Err(damaged(location, &part.object, "it is not there").into());
            }
            got => got.map_err(|e| fault(e, self.shown()))?,
        };
        if got.meta.size != part.bytes {
            let why = format!("it has {} bytes, and the manifest says {}", got.meta.size, part.bytes);
            return Err(damaged(location, &part.object, &why).into());
        }
        let sealed = got.bytes().await.map_err(|e| fault(e, self.shown()))?;
        match sha256_hex(&sealed) == part.sha256 {
            true => Ok(sealed),
            false => Err(damaged(location, &part.object, "its SHA-256 is another one").into()),
        }
    }

    /// Reads every part and compares it with its digest, without opening it.
    ///
    /// # Errors
    /// `BackupDamaged`, naming the part.
    pub async fn check(&self, manifest: &Manifest) -> Result<()> {
        let location = self.location(&manifest.id);
        for part in manifest.parts() {
            self.sealed(&location, &manifest.id, part).await?;
        }
        Ok(())
    }

    /// Every folder of the place that holds a backup or looks like the rest of one, the oldest first.
    ///
    /// # Errors
    /// Those of [`Place::probe`].
    pub async fn list(&self) -> Result<Vec<Listed>> {
        let prefix = (!self.prefix.as_ref().is_empty()).then_some(&self.prefix);
        let found = self.quick.list_with_delimiter(prefix).await.map_err(|e| fault(e, self.shown()))?;
        let mut listed = Vec::new();
        for folder in found.common_prefixes {
            let Some(id) = folder.filename().map(str::to_owned) else { continue };
            // Other folders may lie beside; ours are named by `backup_id`.
            if !id.contains('-') || id.starts_with("probe-") {
                continue;
            }
            let found = match self.manifest(&id).await {
                Ok(found) => Ok(found),
                Err(Fault::Refused(why)) if why.code == Code::NoSuchBackup => {
                    Err("it has no manifest: it was cut off, or is being written".to_owned())
                }
                Err(Fault::Refused(why)) if why.code == Code::BackupDamaged => {
                    Err(why.cause.clone().unwrap_or_else(|| why.what.clone()))
                }
                Err(fault) => return Err(fault),
            };
            listed.push(Listed { id, found });
        }
        listed.sort_by_cached_key(|one| {
            let at = one.found.as_ref().map(|found| found.manifest.taken_at.clone()).unwrap_or_default();
            (at, one.id.clone())
        });
        Ok(listed)
    }

    /// Removes a backup: the manifest first, so that what is left of one that is removed half-way is none.
    ///
    /// # Errors
    /// Those of [`Place::probe`].
    pub async fn remove(&self, id: &str) -> Result<()> {
        let wrong = |e| fault(e, self.shown());
        match self.quick.delete(&self.path(id, MANIFEST)).await {
            Ok(()) | Err(Error::NotFound { .. }) => {}
            Err(e) => return Err(wrong(e)),
        }
        let folder: Path = self.path(id, "x").prefix_of();
        let objects: Vec<_> = self.quick.list(Some(&folder)).try_collect().await.map_err(wrong)?;
        for object in objects {
            match self.quick.delete(&object.location).await {
                Ok(()) | Err(Error::NotFound { .. }) => {}
                Err(e) => return Err(wrong(e)),
            }
        }
        self.sweep(id).await;
        Ok(())
    }

    /// A write to a folder that failed may leave a file that is not listed.
    pub(super) async fn sweep(&self, id: &str) {
        if let Some(folder) = &self.folder
            && cofferdam_core::backup::is_id(id)
        {
            let _ = tokio::fs::remove_dir_all(folder.join(id)).await;
        }
    }
}

/// The folder of an object.
trait Folder {
    fn prefix_of(&self) -> Path;
}

impl Folder for Path {
    fn prefix_of(&self) -> Path {
        let text = self.as_ref();
        Path::from(text.rsplit_once('/').map_or("", |(folder, _)| folder))
    }
}

/// The refusal of a backup that is not what was written.
pub(super) fn damaged(location: &str, object: &str, why: &str) -> Refusal {
    Refusal::new(Code::BackupDamaged, format!("{location} is damaged"))
        .cause(format!("{object}: {why}"))
        .help("nothing was restored; cofferdam backup list shows whether there is another one")
}
