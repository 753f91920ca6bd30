//! `version`: which Cofferdam this is.

use cofferdam_core::Result;
use serde::Serialize;

use super::{Command, Exit};
use crate::context::Context;

pub(crate) static COMMAND: Command = Command {
    name: "version",
    aliases: &[],
    about: "Print the version, and what was compiled in",
    more: "",
    examples: &[("cofferdam version -o json", "with engines, formats and strategies")],
    arguments: |command| command,
    run: |context, _| Box::pin(async move { version(&context) }),
};

/// The document of kind `Version`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct VersionView {
    version: &'static str,
    platform: String,
    engines: Vec<&'static str>,
    formats: Vec<&'static str>,
    strategies: Vec<&'static str>,
    rules: usize,
}

fn version(context: &Context) -> Result<Exit> {
    let view = VersionView {
        version: env!("CARGO_PKG_VERSION"),
        platform: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        engines: cofferdam_engines::ENGINES.iter().map(|e| e.id()).collect(),
        formats: cofferdam_formats::FORMATS.iter().map(|f| f.id).collect(),
        strategies: cofferdam_strategies::STRATEGIES.iter().map(|s| s.id).collect(),
        rules: cofferdam_lint::RULES.len(),
    };
    context.console.show("Version", &view, |v| format!("cofferdam {} ({})", v.version, v.platform));
    Ok(Exit::DONE)
}
