use std::sync::Arc;

use bytes::Bytes;
use cofferdam_core::backup::{
    ColumnShape, Encoding, FORMAT, Manifest, Origin, Part, Shape, Sum, TableCopy, VERSION,
};
use cofferdam_core::{Code, Name};
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;

use super::*;

fn memory() -> Place {
    Place::of(Arc::new(InMemory::new()))
}

/// Bytes that do not pack to nothing, in pieces as a server sends them.
fn pieces(bytes: usize) -> (Vec<u8>, Rows<'static>) {
    let mut seed = 7_u32;
    let mut all = Vec::with_capacity(bytes);
    while all.len() < bytes {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        all.extend_from_slice(format!("{seed}\t").as_bytes());
    }
    let chunks: Vec<_> = all.chunks(70_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    (all, futures::stream::iter(chunks).boxed())
}

fn manifest(id: &str, parts: Vec<Part>, encrypted_to: Vec<String>) -> Manifest {
    let column = ColumnShape {
        name: "id".into(),
        ty: Name { schema: Some("pg_catalog".into()), name: "int4".into() },
        modifiers: vec![],
        not_null: true,
        generated: false,
        attributes: Vec::new(),
        members: Vec::new(),
        collation: None,
    };
    let shape = Shape {
        table: Name { schema: Some("public".into()), name: "t".into() },
        columns: vec![column],
        key: vec!["id".into()],
        encoding: Encoding::Binary,
    };
    Manifest {
        format: FORMAT.into(),
        version: VERSION,
        id: id.into(),
        taken_at: "2026-11-21T20:00:00Z".into(),
        by: "me".into(),
        origin: Origin { database: "shop".into(), ..Origin::default() },
        run: None,
        plan: None,
        migration: None,
        encrypted_to,
        verified: true,
        unverified: None,
        tables: vec![TableCopy { shape, sum: Sum { rows: 1, hash: "1".into() }, parts }],
        whole: None,
    }
}

async fn written(place: &Place, recipients: &Recipients, bytes: usize) -> (Vec<u8>, Manifest) {
    let (all, rows) = pieces(bytes);
    let parts = place.write("shop-1", "tables/0001", recipients, rows, &mut |_| {}).await.unwrap();
    let manifest = manifest("shop-1", parts, recipients.texts());
    place.seal(&manifest).await.unwrap();
    (all, manifest)
}

async fn read(place: &Place, manifest: &Manifest, keys: &Keys) -> Result<Vec<u8>, Code> {
    let rows: Result<Vec<Bytes>, _> =
        place.rows(manifest, &manifest.tables[0].parts, keys).try_collect().await;
    rows.map(|rows| rows.concat()).map_err(|fault| fault.refusal().unwrap().code)
}

/// A pair as age-keygen makes it.
fn pair() -> (Recipients, Keys) {
    let identity = age::x25519::Identity::generate();
    use age::secrecy::ExposeSecret;
    let text = format!("# created: today\n{}\n", identity.to_string().expose_secret());
    (Recipients::of(&[identity.to_public().to_string()]).unwrap(), Keys::of(&text).unwrap())
}

#[tokio::test]
async fn what_is_written_is_read_in_parts_of_a_few_mib() {
    for encrypted in [false, true] {
        let place = memory();
        let (recipients, keys) = if encrypted { pair() } else { Default::default() };
        let (all, manifest) = written(&place, &recipients, 2 * PART + 100_000).await;
        assert_eq!(manifest.tables[0].parts.len(), 3);
        let found = place.manifest("shop-1").await.unwrap();
        assert_eq!(found.manifest, manifest);
        assert!(read(&place, &manifest, &keys).await.unwrap() == all);
        place.check(&manifest).await.unwrap();
        let stored =
            place.store.get(&place.path("shop-1", &manifest.tables[0].parts[0].object)).await.unwrap();
        let stored = stored.bytes().await.unwrap();
        assert_eq!(stored.starts_with(b"age-encryption.org/v1"), encrypted);
    }
}

#[tokio::test]
async fn nothing_is_a_backup_too() {
    let place = memory();
    let (all, manifest) = written(&place, &Recipients::default(), 0).await;
    assert!(all.is_empty() && manifest.tables[0].parts.is_empty());
    assert_eq!(read(&place, &manifest, &Keys::default()).await, Ok(vec![]));
}

#[tokio::test]
async fn only_who_has_the_key_reads_it_and_who_wrote_it_once() {
    let place = memory();
    let (recipients, keys) = pair();
    let (recipients, own) = recipients.and_oneself();
    let (all, manifest) = written(&place, &recipients, 1_000).await;
    assert_eq!(manifest.encrypted_to.len(), 1, "who is forgotten is not named");
    assert!(read(&place, &manifest, &keys).await.unwrap() == all);
    assert!(read(&place, &manifest, &own).await.unwrap() == all);
    assert_eq!(read(&place, &manifest, &pair().1).await, Err(Code::BackupLocked));
    assert_eq!(read(&place, &manifest, &Keys::default()).await, Err(Code::BackupLocked));
    assert!(!format!("{keys:?}").contains("SECRET"));
    assert!(keys.texts()[0].starts_with("AGE-SECRET-KEY-1"));
    assert_eq!(Keys::of("hello").unwrap_err().refusal().unwrap().code, Code::BackupLocked);
    assert!(Recipients::of(&["age1nonsense".into()]).is_err());
}

#[tokio::test]
async fn a_part_that_is_cut_changed_gone_or_another_is_found() {
    type Harm = fn(Vec<u8>) -> Option<Vec<u8>>;
    let harms: [(&str, Harm); 4] = [
        ("cut", |mut bytes| {
            bytes.truncate(bytes.len() - 1);
            Some(bytes)
        }),
        ("changed", |mut bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            Some(bytes)
        }),
        ("gone", |_| None),
        ("longer", |mut bytes| {
            bytes.push(0);
            Some(bytes)
        }),
    ];
    for (name, harm) in harms {
        let place = memory();
        let (_, manifest) = written(&place, &Recipients::default(), PART + 200_000).await;
        let path = place.path("shop-1", &manifest.tables[0].parts[1].object);
        let bytes = place.store.get(&path).await.unwrap().bytes().await.unwrap().to_vec();
        match harm(bytes) {
            Some(bytes) => place.store.put(&path, bytes.into()).await.map(|_| ()).unwrap(),
            None => place.store.delete(&path).await.unwrap(),
        }
        assert_eq!(read(&place, &manifest, &Keys::default()).await, Err(Code::BackupDamaged), "{name}");
        assert!(place.check(&manifest).await.is_err(), "{name}");
    }
}

/// A part whose digest fits, in a manifest that somebody wrote to fill our memory.
#[tokio::test]
async fn a_part_that_unpacks_to_more_than_it_says_is_stopped() {
    let place = memory();
    let (_, rows) = (0, futures::stream::iter([Ok(Bytes::from(vec![0; 4 << 20]))]).boxed());
    let recipients = Recipients::default();
    let mut parts = place.write("shop-1", "tables/0001", &recipients, rows, &mut |_| {}).await.unwrap();
    assert!(parts[0].bytes < 10_000);
    parts[0].holds = 100;
    let manifest = manifest("shop-1", parts, vec![]);
    assert_eq!(read(&place, &manifest, &Keys::default()).await, Err(Code::BackupDamaged));
}

#[tokio::test]
async fn without_a_manifest_it_is_no_backup_and_removing_takes_all() {
    let place = memory();
    let (_, rows) = pieces(1_000);
    place.write("shop-0", "tables/0001", &Recipients::default(), rows, &mut |_| {}).await.unwrap();
    let (_, kept) = written(&place, &Recipients::default(), 1_000).await;
    let code = place.manifest("shop-0").await.unwrap_err().refusal().unwrap().code;
    assert_eq!(code, Code::NoSuchBackup);
    let listed = place.list().await.unwrap();
    let ids: Vec<_> = listed.iter().map(|one| (one.id.as_str(), one.found.is_ok())).collect();
    assert_eq!(ids, [("shop-0", false), ("shop-1", true)]);
    place.remove("shop-0").await.unwrap();
    assert_eq!(place.list().await.unwrap().len(), 1);
    place.check(&kept).await.unwrap();
    for id in ["..", "", "a/b", "shop-9"] {
        assert_eq!(place.manifest(id).await.unwrap_err().refusal().unwrap().code, Code::NoSuchBackup, "{id}");
    }
}

#[tokio::test]
async fn a_manifest_that_is_none_is_damage() {
    let place = memory();
    let put = async |text: &str| {
        place.store.put(&place.path("shop-1", MANIFEST), text.to_owned().into()).await.unwrap();
        place.manifest("shop-1").await.unwrap_err().refusal().unwrap().code
    };
    assert_eq!(put("{").await, Code::BackupDamaged);
    let mut other = manifest("shop-2", vec![], vec![]);
    assert_eq!(put(&serde_json::to_string(&other).unwrap()).await, Code::BackupDamaged, "that of another");
    other.id = "shop-1".into();
    other.version = 9;
    assert_eq!(put(&serde_json::to_string(&other).unwrap()).await, Code::BackupDamaged);
}

#[tokio::test]
async fn a_folder_takes_the_same_and_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().to_str().unwrap();
    for url in [text.to_owned(), format!("file://{text}/")] {
        let place = Place::open(&url, &Credentials::default()).unwrap();
        place.probe().await.unwrap();
        let (all, manifest) = written(&place, &Recipients::default(), 5_000).await;
        assert!(read(&place, &manifest, &Keys::default()).await.unwrap() == all);
        assert!(folder.path().join("shop-1/manifest.json").is_file());
        assert_eq!(place.location("shop-1"), format!("{}/shop-1", url.trim_end_matches('/')));
        place.remove("shop-1").await.unwrap();
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            0,
            "nothing is left, not even of the probe"
        );
    }
    for url in ["/no/such/folder", "ftp://x/y", "s3://", "s3://user@bucket/x", "gs://"] {
        let code = Place::open(url, &Credentials::default()).unwrap_err().refusal().unwrap().code;
        assert_eq!(code, Code::BackupUnreachable, "{url}");
    }
}

#[test]
fn credentials_are_not_shown() {
    let secret = Credentials::of([("AWS_SECRET_ACCESS_KEY".to_owned(), "canary".to_owned())]);
    assert!(!format!("{secret:?}").contains("canary"));
}
