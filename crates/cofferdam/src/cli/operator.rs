//! `operator`: watches DatabaseMigrations in a cluster and has a runner carry each of them out.

use cofferdam_core::{Code, Refusal, Result};
use cofferdam_operator::settings::Settings;

use super::{Command, Exit, flags};
use crate::context::Context;
use crate::signals;
use crate::spans::Spans;

#[derive(Debug, clap::Args)]
struct Flags {
    /// The Prometheus that checks may ask, which no spec can name
    #[arg(long, value_name = "URL")]
    prometheus_url: Option<String>,
}

pub(crate) static COMMAND: Command = Command {
    name: "operator",
    aliases: &[],
    about: "Run the operator in a Kubernetes cluster",
    more: "The Helm chart runs it and sets its environment: COFFERDAM_NAMESPACE, COFFERDAM_POD_NAME and \
           COFFERDAM_RUNNER_IMAGE must be there, COFFERDAM_WATCH_NAMESPACES says where it looks (all namespaces \
           without it). It needs no database and reads no Secret \
           but that of its webhook, which COFFERDAM_WEBHOOK_PORT turns on. /metrics, /healthz and /readyz are on \
           COFFERDAM_HTTP_PORT, 8080.",
    examples: &[("cofferdam operator", "as the chart runs it; helm install cofferdam charts/cofferdam")],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { operator(&context, flags(&matches)?).await }),
};

async fn operator(_: &Context, flags: Flags) -> Result<Exit> {
    let refused = |why: String| Refusal::new(Code::BadConfig, "the operator cannot run").cause(why);
    let variable = |name: &str| match name {
        "COFFERDAM_PROMETHEUS_URL" if flags.prometheus_url.is_some() => flags.prometheus_url.clone(),
        _ => std::env::var(name).ok().filter(|value| !value.is_empty()),
    };
    let settings = Settings::read(&variable)
        .map_err(|why| refused(why).help("install the chart: helm install cofferdam charts/cofferdam"))?;
    let spans = Spans::start("cofferdam-operator").map_err(refused)?;
    let ended = cofferdam_operator::run(settings, spans.looks(), signals::terminated()).await;
    spans.close().await;
    ended.map_err(|why| {
        refused(why).help("look at what it wrote before; it is started again by Kubernetes")
    })?;
    Ok(Exit::DONE)
}
