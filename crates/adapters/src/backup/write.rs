//! Writing: a stream of bytes becomes parts.

use bytes::{Bytes, BytesMut};
use cofferdam_core::backup::{Manifest, Part};
use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Refusal, plan::sha256_hex};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use object_store::ObjectStoreExt;

use super::seal::Recipients;
use super::trouble::fault;
use super::{MANIFEST, Place};

/// How many bytes a part holds, but for the last one.
pub const PART: usize = 8 << 20;

/// Bytes as they come.
pub type Rows<'a> = BoxStream<'a, Result<Bytes>>;

impl Place {
    /// Writes all of the stream as parts of a backup, below `folder`. While one part is packed and sent the next one
    /// is read: at most two are held. `told` hears how many bytes of the stream are written.
    ///
    /// # Errors
    /// Those of the stream, and those of [`Place::probe`].
    pub async fn write(
        &self,
        id: &str,
        folder: &str,
        recipients: &Recipients,
        rows: Rows<'_>,
        told: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Vec<Part>> {
        // A driver's stream must not be asked again after its end.
        let mut rows = rows.fuse();
        let mut parts = Vec::new();
        let mut sent = 0;
        let mut next = read_part(&mut rows).await?;
        while !next.is_empty() {
            let ending = if recipients.encrypt() { "zst.age" } else { "zst" };
            let object = format!("{folder}/{:06}.{ending}", parts.len() + 1);
            let holds = next.len() as u64;
            let sending = self.send(id, &object, recipients, std::mem::take(&mut next));
            let (part, read) = futures::join!(sending, read_part(&mut rows));
            parts.push(part?);
            next = read?;
            sent += holds;
            told(sent);
        }
        Ok(parts)
    }

    async fn send(&self, id: &str, object: &str, recipients: &Recipients, rows: Bytes) -> Result<Part> {
        let holds = rows.len() as u64;
        let recipients = recipients.clone();
        let sealed = tokio::task::spawn_blocking(move || {
            let sealed = recipients.seal(&rows)?;
            let sha256 = sha256_hex(&sealed);
            Ok::<_, std::io::Error>((sealed, sha256))
        });
        let (sealed, sha256) =
            sealed.await.map_err(|e| Fault::Bug(format!("packing a part: {e}")))?.map_err(|e| {
                Refusal::new(Code::BackupNotTaken, "a part could not be packed").cause(e.to_string())
            })?;
        let bytes = sealed.len() as u64;
        self.store.put(&self.path(id, object), sealed.into()).await.map_err(|e| fault(e, self.shown()))?;
        Ok(Part { object: object.to_owned(), bytes, holds, sha256 })
    }

    /// Writes the manifest, with which the backup begins to be one. Returns its SHA-256.
    ///
    /// # Errors
    /// Those of [`Place::probe`].
    pub async fn seal(&self, manifest: &Manifest) -> Result<String> {
        let mut text =
            serde_json::to_vec_pretty(manifest).map_err(|e| Fault::Bug(format!("a manifest: {e}")))?;
        text.push(b'\n');
        let sha256 = sha256_hex(&text);
        self.store
            .put(&self.path(&manifest.id, MANIFEST), text.into())
            .await
            .map_err(|e| fault(e, self.shown()))?;
        Ok(sha256)
    }
}

/// The next so many bytes; empty at the end.
async fn read_part(rows: &mut (impl Stream<Item = Result<Bytes>> + Unpin)) -> Result<Bytes> {
    let mut part = BytesMut::new();
    while part.len() < PART {
        match rows.next().await {
            Some(piece) => part.extend_from_slice(&piece?),
            None => break,
        }
    }
    Ok(part.freeze())
}
