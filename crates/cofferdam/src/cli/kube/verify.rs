//! `verify`: whether a migration is in the state that it claims, and whether what it names is there.

use cofferdam_core::{Code, Refusal, Result};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::cli::{Command, Exit};
use crate::output::kube::verify::VerifyView;
use crate::plugin::cluster::Cluster;
use crate::plugin::refused::fault;
use crate::plugin::trial::{Evidence, Looked, config_maps, judge, secrets};
use crate::plugin::{Plugin, name, running};

/// The account that runners have where no Job says another.
const ACCOUNT: &str = "cofferdam-runner";

#[derive(Debug, clap::Args)]
struct Flags {
    /// The DatabaseMigration: NAME or dbm/NAME [default: the only one of the namespace]
    #[arg(value_name = "NAME", value_parser = name::parse)]
    name: Option<String>,
}

pub(crate) static COMMAND: Command = Command {
    name: "verify",
    aliases: &["check"],
    about: "Check that a migration is in the state that it claims, and that what it names is there",
    more: "Compares conditions, phase, plan, approvals and Jobs, and looks for the Secrets, ConfigMaps (with the \
           checksums of their scripts) and the account that a run needs. Of a Secret only the names of its keys are \
           looked at, and what the account may not see is said to be unknown. It exits with 9 when something does not \
           fit. The database itself is proved by cofferdam verify.",
    examples: &[
        (
            "kubectl cofferdam verify orders",
            "before a run: what is missing; after it: whether it is as it says",
        ),
        ("kubectl cofferdam verify orders -o json", "for programs: fits, findings"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| running(context, matches, verify),
};

async fn verify(plugin: &Plugin, flags: &Flags) -> Result<Exit> {
    let cluster = &plugin.cluster;
    let migration = cluster.find(flags.name.as_deref(), &plugin.words).await?;
    let jobs = cluster.jobs(&migration).await?;
    let approvals = cluster.approvals(&migration).await?;
    let (mut found_secrets, mut found_maps) = (Vec::new(), Vec::new());
    for name in secrets(&migration) {
        let looked = look(cluster, &name).await?;
        found_secrets.push((name, looked));
    }
    for name in config_maps(&migration) {
        let looked = look(cluster, &name).await?;
        found_maps.push((name, looked));
    }
    let previous = match &migration.spec.migration.previous {
        Some(name) => {
            let looked = look(cluster, name.as_str()).await?;
            Some((name.as_str().to_owned(), looked))
        }
        None => None,
    };
    let account = jobs.last().and_then(account_of).unwrap_or_else(|| ACCOUNT.to_owned());
    let there = match look::<ServiceAccount>(cluster, &account).await? {
        Looked::There(_) => Looked::There(()),
        Looked::Missing => Looked::Missing,
        Looked::Unseen(why) => Looked::Unseen(why),
    };
    let name = migration.name_any();
    let evidence = Evidence {
        migration,
        jobs,
        approvals,
        secrets: found_secrets,
        config_maps: found_maps,
        account: (account, there),
        previous,
    };
    let view = VerifyView::new(&cluster.namespace, &name, judge(&evidence));
    plugin.context.console.show("Verification", &view, VerifyView::text);
    if view.fits {
        return Ok(Exit::DONE);
    }
    let what = format!("{} is not as it should be", view.migration);
    let refusal = Refusal::new(Code::NotAsClaimed, what)
        .help(plugin.words.line(&format!("describe {}", view.migration)));
    Err(view
        .wrong()
        .fold(refusal, |refusal, one| refusal.note(format!("{}: {}", one.about, one.says)))
        .into())
}

fn account_of(job: &Job) -> Option<String> {
    job.spec.as_ref()?.template.spec.as_ref()?.service_account_name.clone()
}

/// An object by its name. That it may not be looked at is no reason to stop.
async fn look<K>(cluster: &Cluster, name: &str) -> Result<Looked<K>>
where
    K: Resource<Scope = NamespaceResourceScope> + Clone + std::fmt::Debug + DeserializeOwned,
    K::DynamicType: Default,
{
    match cluster.api::<K>().get_opt(name).await {
        Ok(Some(found)) => Ok(Looked::There(found)),
        Ok(None) => Ok(Looked::Missing),
        Err(kube::Error::Api(status)) if status.is_forbidden() => Ok(Looked::Unseen(status.message.clone())),
        Err(error) => Err(fault(&error, "looking at what the migration names")),
    }
}
