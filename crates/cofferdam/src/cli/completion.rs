//! `completion`: a script that teaches a shell the commands and flags.

use clap_complete::Shell;
use cofferdam_core::Result;

use super::{Command, Exit, flags, parse};
use crate::context::Context;

#[derive(Debug, clap::Args)]
struct Flags {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) static COMMAND: Command = Command {
    name: "completion",
    aliases: &[],
    about: "Print a script that completes commands and flags in a shell",
    more: "",
    examples: &[
        ("cofferdam completion bash", "to be sourced, or put into bash-completion's directory"),
        ("cofferdam completion zsh", "to be put into a directory of $fpath as _cofferdam"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { completion(&context, &flags(&matches)?) }),
};

fn completion(context: &Context, flags: &Flags) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(flags.shell, &mut parse::command(), "cofferdam", &mut script);
    context.console.bytes(&script);
    Ok(Exit::DONE)
}
