//! What every verb of the plugin of kubectl gets: the way to the cluster, and what belongs to a DatabaseMigration in it.

pub(crate) mod agree;
pub(crate) mod cluster;
pub(crate) mod follow;
pub(crate) mod leftover;
pub(crate) mod lines;
pub(crate) mod name;
pub(crate) mod next;
pub(crate) mod pods;
pub(crate) mod reach;
pub(crate) mod refused;
pub(crate) mod steer;
pub(crate) mod trial;
pub(crate) mod words;

use clap::{ArgMatches, FromArgMatches};
use cofferdam_core::{Code, Refusal, Result};

use crate::cli::{Exit, Running, flags};
use crate::context::Context;

use cluster::Cluster;
use reach::ReachFlags;
use words::Words;

/// What every verb gets.
pub(crate) struct Plugin {
    pub(crate) context: Context,
    pub(crate) cluster: Cluster,
    pub(crate) words: Words,
}

/// Runs a verb: reads its flags, reaches the cluster, and heeds `--timeout`.
pub(crate) fn running<T, W>(context: Context, matches: ArgMatches, work: W) -> Running
where
    T: FromArgMatches + 'static,
    W: AsyncFnOnce(&Plugin, &T) -> Result<Exit> + 'static,
{
    Box::pin(async move {
        let reach: ReachFlags = flags(&matches)?;
        let of_the_verb: T = flags(&matches)?;
        let words = Words::new(std::env::args_os().next(), &reach);
        let limit = context.common.timeout;
        let late = words.line("status NAME --watch");
        let work = async {
            let cluster = Cluster::reach(&reach).await?;
            work(&Plugin { context, cluster, words }, &of_the_verb).await
        };
        let Some(limit) = limit else { return work.await };
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            Err(Refusal::new(Code::TimedOut, "the time given with --timeout is over")
                .cause("what goes on in the cluster goes on")
                .help(format!("look again, or give it more time: {late}"))
                .into())
        })
    })
}
