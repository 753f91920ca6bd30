//! The directory of a container image. It is read by this process itself, with the secrets of the object.

use cofferdam_adapters::sources::image::{Image, ImageKey, ImageSource, SignedImage};
use cofferdam_adapters::sources::{read_image, read_mounted, signed_image};
use cofferdam_api::Reason;
use cofferdam_api::source::{Format, Migration as Source, Verify};
use cofferdam_api::value::{ImageReference, Sha256};
use cofferdam_core::{Code, Fault, Refusal};
use cofferdam_formats::Tree;
use cofferdam_operator::contract;

use super::Job;
use super::bundle::Read;
use super::ending::{Halted, message};
use super::log::Level;
use super::reach::{Pauses, until_asked};

/// Where it is looked for, unless the spec says otherwise.
const DIRECTORY: &str = "/migrations";

/// Reads it, for as long as it takes: an image that is not there yet may be pushed, and a registry may come back.
///
/// # Errors
/// What waiting would not change, and a stop.
pub(crate) async fn read(job: &Job, image: &ImageReference) -> Result<Read, Halted> {
    let source = &job.object.spec.migration;
    let mounted = std::env::var(contract::MOUNTED).ok();
    if is_mounted(mounted.as_deref(), source, image) {
        let wanted = wanted(job, source, image)?;
        let found = read_mounted(&job.folders.image, &wanted.reference, &wanted.directory, &wanted.limits)?;
        let from = format!("{}, which the node has mounted", found.pinned);
        return bundle(job, (&found.tree, &from, &found.digest), source.format);
    }
    let found = patiently(job, image, async |wanted| read_image(wanted).await).await?;
    pulled(job, &found, source.format)
}

/// The image of a container of the user, by the digest that the key of `spec.migration.verify` signed; `None`: no
/// signature is asked for.
///
/// # Errors
/// As [`read`].
pub(crate) async fn signed(job: &Job, image: &ImageReference) -> Result<Option<SignedImage>, Halted> {
    if job.object.spec.migration.verify.is_none() {
        return Ok(None);
    }
    let found = patiently(job, image, async |wanted| signed_image(wanted).await).await?;
    job.report.log.line(Level::Info, &format!("{} is signed with the key of the spec", found.pinned));
    Ok(Some(found))
}

/// Asks the registry for as long as what stands in the way may go by itself.
async fn patiently<T>(
    job: &Job,
    image: &ImageReference,
    work: impl AsyncFn(&ImageSource) -> Result<T, Fault>,
) -> Result<T, Halted> {
    let mut pauses = Pauses::new();
    loop {
        // Anew at every try: the Secrets may have changed meanwhile.
        let wanted = wanted(job, &job.object.spec.migration, image)?;
        let tried = tokio::select! {
            tried = work(&wanted) => tried,
            fault = until_asked(&job.stop) => return Err(fault.into()),
        };
        match tried {
            Ok(found) => {
                job.report.with(|account, _| account.goes_on());
                return Ok(found);
            }
            Err(fault) => {
                let refusal = crate::output::error::refusal(&fault);
                if !waits(&fault, refusal.code) {
                    return Err(fault.into());
                }
                job.report.waits(Reason::ImageNotFound, &message(&refusal));
            }
        }
        pauses.pause(&job.stop).await?;
    }
}

/// Somebody may push it, give credentials, or mend the registry.
fn waits(fault: &Fault, code: Code) -> bool {
    matches!(fault, Fault::Again { .. })
        || matches!(code, Code::ImageNotFound | Code::ImageAuth | Code::RegistryUnavailable)
}

fn wanted(job: &Job, source: &Source, image: &ImageReference) -> Result<ImageSource, Box<Refusal>> {
    let mut wanted = ImageSource::new(image.as_str(), source.dir.as_deref().unwrap_or(DIRECTORY))?;
    for (number, secret) in job.object.spec.runner.image_pull_secrets.iter().enumerate() {
        let file = job.folders.pull.join(number.to_string()).join(".dockerconfigjson");
        // One that is not there is not needed by a public image; for another one the registry says so.
        if let Ok(config) = std::fs::read(&file) {
            wanted.pull_secrets.add(secret.name.as_str(), &config)?;
        }
    }
    wanted.signed_by = source.verify.as_ref().map(key).transpose()?;
    let plain = std::env::var(contract::PLAIN_HTTP).unwrap_or_default();
    wanted.plain_http =
        plain.split(',').map(str::trim).filter(|host| !host.is_empty()).map(str::to_owned).collect();
    Ok(wanted)
}

fn key(verify: &Verify) -> Result<ImageKey, Box<Refusal>> {
    if verify.annotations.is_empty() {
        return ImageKey::from_pem(&verify.public_key);
    }
    let what =
        "spec.migration.verify.annotations: annotations of signatures are not looked at by this version";
    Err(Box::new(Refusal::new(Code::Usage, what).help("leave them out; the key alone is checked")))
}

/// The node has mounted just the image that is wanted. The spec may have been changed since the Pod was made; and what
/// has to be signed is read where its signature is, whoever says what.
fn is_mounted(mounted: Option<&str>, source: &Source, image: &ImageReference) -> bool {
    mounted == Some(image.as_str()) && source.verify.is_none()
}

fn pulled(job: &Job, found: &Image, format: Option<Format>) -> Result<Read, Halted> {
    let from = format!("{} for {}", found.pinned, found.platform);
    bundle(job, (&found.tree, &from, &found.digest), format)
}

fn bundle(
    job: &Job,
    (tree, from, digest): (&Tree, &str, &str),
    format: Option<Format>,
) -> Result<Read, Halted> {
    job.report.log.line(Level::Info, &format!("read {} files of {from}", tree.files.len()));
    let format = format.filter(|format| *format != Format::Auto).map(Format::word);
    let bundle = cofferdam_formats::read(tree, format)?;
    Ok(Read { bundle, root: tree.root.clone(), digest: Sha256(digest.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_come_is_waited_for() {
        for (code, expected) in [
            (Code::ImageNotFound, true),
            (Code::ImageAuth, true),
            (Code::RegistryUnavailable, true),
            (Code::ImageDigest, false),
            (Code::ImageHostile, false),
            (Code::ImageNoDirectory, false),
            (Code::ImageSignature, false),
        ] {
            let fault: Fault = Refusal::new(code, "what").into();
            assert_eq!(waits(&fault, code), expected, "{code:?}");
        }
    }

    #[test]
    fn only_the_image_that_is_wanted_now_is_read_where_it_is_mounted() {
        let image = |name: &str| ImageReference(name.to_owned());
        let source = |verify: bool| -> Source {
            let mut source = serde_json::json!({ "image": "ignored" });
            if verify {
                source["verify"] = serde_json::json!({ "publicKey": "-----BEGIN PUBLIC KEY-----\n" });
            }
            serde_json::from_value(source).unwrap()
        };
        assert!(is_mounted(Some("a@sha256:1"), &source(false), &image("a@sha256:1")));
        assert!(!is_mounted(Some("a@sha256:1"), &source(false), &image("a@sha256:2")));
        assert!(!is_mounted(Some("a@sha256:1"), &source(true), &image("a@sha256:1")));
        assert!(!is_mounted(None, &source(false), &image("a@sha256:1")));
    }

    /// What the operator and its webhook refuse is what would be refused here: they cannot ask what reads images.
    #[test]
    fn the_operator_refuses_the_names_and_keys_that_cannot_be_read() {
        use cofferdam_adapters::sources::image::ImageReference;
        use cofferdam_api::DatabaseMigration;
        use cofferdam_operator::migration::check::problems;
        use serde_json::{Value, json};

        let fields = |change: Value| -> Vec<String> {
            let mut object = json!({
                "apiVersion": "cofferdam.dev/v1alpha1", "kind": "DatabaseMigration", "metadata": { "name": "a" },
                "spec": {
                    "database": { "type": "postgresql", "connectionSecret": "db" },
                    "migration": { "image": "a" },
                },
            });
            for (key, value) in change.as_object().unwrap() {
                object["spec"]["migration"][key] = value.clone();
            }
            let migration: DatabaseMigration = serde_json::from_value(object).unwrap();
            problems(&migration).into_iter().map(|problem| problem.field).collect()
        };
        let (digest, mut names) = (format!("@sha256:{}", "0a".repeat(32)), Vec::new());
        for registry in [
            "",
            "r.example/",
            "r.example:5000/",
            "localhost/",
            "localhost:1/",
            "R-1.Example/",
            "team/",
            "r:x/",
            "r.-a/",
        ] {
            for path in
                ["a", "a/b_c/d-e.f", "a__b", "a--b", "A", "a..b", "a/../b", "a_.b", "-a", "a-", "a//b", ""]
            {
                for end in
                    ["", ":v2.0.0", ":V_1-a", ":", ":.a", ":a/b", &digest, &digest[..40], "@", ":1@sha256:x"]
                {
                    names.push(format!("{registry}{path}{end}"));
                }
                names.push(format!("{registry}{path}:1{digest}"));
                names.push(format!("{registry}{path}:{}", "t".repeat(129)));
            }
        }
        let read = names.iter().filter(|name| name.parse::<ImageReference>().is_ok()).count();
        assert!(read > 100 && names.len() - read > 100, "{read} of {}", names.len());
        for name in names {
            let refused = fields(json!({ "image": name })) == ["spec.migration.image"];
            assert_eq!(refused, name.parse::<ImageReference>().is_err(), "{name:?}");
        }
        let pem = |body: &str| format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
        let start = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE";
        for key in [
            pem(&format!("{start}{}==", "A".repeat(86))),
            pem(&format!("{start}{}", "A".repeat(88))),
            pem("AAAA"),
            pem("%"),
            pem(""),
            "x".into(),
        ] {
            let refused = !fields(json!({ "verify": { "publicKey": key } })).is_empty();
            assert_eq!(refused, ImageKey::from_pem(&key).is_err(), "{key}");
        }
    }
}
