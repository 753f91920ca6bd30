//! `man`: manual pages.

use std::path::PathBuf;

use cofferdam_core::{Fault, Result};

use super::init::Written;
use super::{Command, Exit, flags, parse};
use crate::context::Context;
use crate::files;

#[derive(Debug, clap::Args)]
struct Flags {
    /// Write the pages of all commands into this directory; else the main page is printed
    #[arg(value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

pub(crate) static COMMAND: Command = Command {
    name: "man",
    aliases: &[],
    about: "Print the manual page, or write the pages of all commands",
    more: "",
    examples: &[
        ("cofferdam man", "the main page, for man -l -"),
        ("cofferdam man /usr/local/share/man/man1", "cofferdam.1, cofferdam-apply.1 and so on"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { man(&context, &flags(&matches)?) }),
};

fn man(context: &Context, flags: &Flags) -> Result<Exit> {
    let mut root = parse::command();
    root.build();
    let Some(directory) = &flags.directory else {
        context.console.bytes(&page(&root)?);
        return Ok(Exit::DONE);
    };
    files::make_directory(directory)?;
    let mut written = Vec::new();
    for command in all(&root) {
        let name = command.get_display_name().unwrap_or(command.get_name());
        let path = directory.join(format!("{name}.1"));
        files::write(&path, &String::from_utf8_lossy(&page(command)?))?;
        written.push(path.display().to_string());
    }
    context.console.show("Files", &Written { files: written }, Written::text);
    Ok(Exit::DONE)
}

/// A command, and all below it.
fn all(command: &clap::Command) -> Vec<&clap::Command> {
    let below = command.get_subcommands().filter(|c| c.get_name() != "help");
    std::iter::once(command).chain(below.flat_map(all)).collect()
}

fn page(command: &clap::Command) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut page)
        .map_err(|error| Fault::Bug(error.to_string()))?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let mut root = parse::command();
        root.build();
        let names: Vec<&str> = all(&root).iter().filter_map(|c| c.get_display_name()).collect();
        assert!(names.contains(&"cofferdam-kube-approve") && names.contains(&"cofferdam-apply"), "{names:?}");
        for command in all(&root) {
            let page = String::from_utf8(page(command).unwrap()).unwrap();
            assert!(page.contains(".TH"), "{}", command.get_name());
        }
    }
}
