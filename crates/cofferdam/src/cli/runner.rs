//! `runner`: the process in the Job of a DatabaseMigration.

use std::path::PathBuf;

use cofferdam_api::value::Sha256;
use cofferdam_core::{Code, Refusal, Result};
use cofferdam_operator::contract::{self, Kind, Left};
use cofferdam_operator::outcome;

use super::{Command, Exit, flags};
use crate::context::Context;
use crate::job::{Object, Order, Place, carry_out};

#[derive(Debug, clap::Args)]
struct Flags {
    /// What to do: apply, container (open the way for one of the user), finalize (end the revert window), rollback
    #[arg(long, value_name = "WORK", default_value = "apply", value_parser = work)]
    work: Kind,
    /// The plan that somebody agreed to, as status.planDigest says it
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    approved: Option<Sha256>,
    /// How the container of the user ended that came before, as JSON
    #[arg(long, value_name = "JSON", value_parser = left, hide = true)]
    left: Option<Left>,
    /// The digest of the spec that the Job was made for
    #[arg(long = "for", value_name = "DIGEST", default_value = "", hide = true)]
    order: String,
    /// The name of the Job
    #[arg(long, value_name = "NAME", default_value = "", hide = true)]
    job: String,
    /// The name of the Pod
    #[arg(long, value_name = "NAME", default_value = "", hide = true)]
    pod: String,
    /// Namespace of the DatabaseMigration
    #[arg(long, value_name = "NAMESPACE", required_unless_present = "object")]
    namespace: Option<String>,
    /// Its name
    #[arg(long, value_name = "NAME", required_unless_present = "object")]
    migration: Option<String>,
    /// Its UID
    #[arg(long, value_name = "UID", required_unless_present = "object")]
    uid: Option<String>,
    /// A DatabaseMigration in a file of YAML or JSON, without a cluster; its status goes to FILE.status
    #[arg(long, value_name = "FILE", hide = true)]
    object: Option<PathBuf>,
    /// Where Secret and ConfigMaps are mounted
    #[arg(long, value_name = "DIR", default_value = "/cofferdam", hide = true)]
    mounts: PathBuf,
    /// Where the message goes that the Pod ends with
    #[arg(long, value_name = "FILE", default_value = outcome::PATH, hide = true)]
    termination_log: PathBuf,
}

pub(crate) static COMMAND: Command = Command {
    name: "runner",
    aliases: &[],
    about: "Carry a DatabaseMigration out: the process that the operator starts in a Job",
    more: "Nobody types it: the operator makes the Job, mounts the Secret and the ConfigMaps, and sets the variables. It \
           says how far it is in the object's status, and how it ended in the Pod's termination message. To try a \
           manifest without a cluster: --object FILE --mounts DIR --termination-log FILE, with the Secret's keys as \
           files in DIR/database and each script as DIR/scripts/NAME.sql.",
    examples: &[
        ("cofferdam runner --namespace shop --migration orders --uid 6f3c", "apply what is pending"),
        ("cofferdam runner --object dbm.yaml --mounts /tmp/dbm --work rollback", "take it back"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { runner(&context, flags(&matches)?).await }),
};

async fn runner(context: &Context, flags: Flags) -> Result<Exit> {
    let object = match (flags.object, flags.namespace, flags.migration, flags.uid) {
        (Some(path), ..) => Object::File(path),
        (None, Some(namespace), Some(name), Some(uid)) => Object::Cluster { namespace, name, uid },
        _ => return Err(Refusal::new(Code::Usage, "no DatabaseMigration is named").into()),
    };
    let order = Order {
        work: flags.work,
        approved: flags.approved,
        left: flags.left,
        why: std::env::var(contract::WHY).ok().filter(|why| !why.is_empty()),
        place: Place {
            order: flags.order,
            job: flags.job,
            pod: flags.pod,
            image: std::env::var(contract::PINNED).ok(),
            index: std::env::var(contract::INDEX).ok().and_then(|text| text.parse().ok()).unwrap_or(0),
        },
        object,
        folder: flags.mounts,
        termination_log: flags.termination_log,
    };
    Ok(carry_out(order, &context.halt).await.map_or(Exit::DONE, Exit::from))
}

fn work(text: &str) -> std::result::Result<Kind, String> {
    Kind::named(text).ok_or_else(|| {
        let words: Vec<&str> = Kind::ALL.into_iter().map(Kind::word).collect();
        format!("one of: {}", words.join(", "))
    })
}

fn left(text: &str) -> std::result::Result<Left, String> {
    serde_json::from_str(text).map_err(|why| why.to_string())
}

fn digest(text: &str) -> std::result::Result<Sha256, String> {
    let digest = Sha256(text.to_owned());
    digest.parse().map_err(|why| why.to_string())?;
    Ok(digest)
}
