//! The cluster for as long as somebody needs it, be it that he is killed.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::image::Image;
use super::lifecycle::Found;
use super::{image, lifecycle, place};
use crate::Outcome;
use crate::shelf;

/// A running cluster. One that was started for it is taken down when it is dropped, or when our process ends, in
/// whatever way.
pub(crate) struct Cluster {
    keeper: Option<Child>,
    image: Image,
    /// Held for as long as we use the cluster.
    _using: File,
}

/// The cluster for tests, with an image of this program of ours in its registry; one that a person started is used,
/// and stays. Others that want one wait until we are done.
pub(crate) fn for_tests(program: &Path) -> Result<Cluster, String> {
    lifecycle::needs_root()?;
    let using = shelf::lock(Path::new("/run/cofferdam-cluster-tests.lock"))?;
    let keeper = if lifecycle::is_healthy() { None } else { Some(keeper(&using)?) };
    // From here on it is taken down whatever happens.
    let mut cluster = Cluster { keeper, image: Image::default(), _using: using };
    if lifecycle::up()? == Found::Running {
        cluster.leave();
    }
    cluster.image = image::push_ours(program)?;
    Ok(cluster)
}

impl Cluster {
    /// What a test has to know, as environment variables.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let mut all = super::variables();
        all.extend([
            ("COFFERDAM_IMAGE_REPOSITORY", self.image.repository.clone()),
            ("COFFERDAM_IMAGE_TAG", self.image.tag.clone()),
            ("COFFERDAM_IMAGE_DIGEST", self.image.digest.clone()),
        ]);
        all
    }
}

impl Cluster {
    /// Somebody else started it while we waited to do so: it is his.
    fn leave(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            if let Some(mut pipe) = keeper.stdin.take() {
                let _ = pipe.write_all(LEAVE);
            }
            // Nothing can be done about a keeper that cannot be waited for.
            let _ = keeper.wait();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(keeper) = &mut self.keeper {
            println!("cluster: ending it");
            drop(keeper.stdin.take());
            // As above.
            let _ = keeper.wait();
        }
    }
}

/// Starts the process that waits for our end and then takes the cluster down. It is in a process group of its own
/// and deaf to what a terminal sends, and it has our lock, so that nobody uses a cluster that it takes down.
fn keeper(using: &File) -> Result<Child, String> {
    let cannot = |e: std::io::Error| format!("cannot start what takes the cluster down after us: {e}");
    let us = std::env::current_exe().map_err(cannot)?;
    Command::new("sh")
        .args(["-c", r#"trap "" HUP INT TERM; exec "$@""#, "keeper"])
        .arg(us)
        .args(["cluster", KEEP])
        .process_group(0)
        .stdin(Stdio::piped())
        // Nobody reads what it says; the lock is held by whoever has the file open.
        .stdout(using.try_clone().map_err(cannot)?)
        .stderr(File::create(place::keeper_log()).map_err(cannot)?)
        .spawn()
        .map_err(cannot)
}

/// The word by which the keeper is called.
pub(super) const KEEP: &str = "keep";

/// What it is told when nothing is to be taken down.
const LEAVE: &[u8] = b"leave";

/// The keeper's work.
pub(super) fn keep() -> Outcome {
    let mut said = Vec::new();
    // It ends when the other end of the pipe is closed, by hand or by the end of its process.
    let _ = std::io::stdin().read_to_end(&mut said);
    if said != LEAVE {
        lifecycle::down()?;
    }
    Ok(0)
}

/// Runs a command that finds the cluster in its environment.
pub(super) fn run_with(command: &[String]) -> Outcome {
    let (program, arguments) = command.split_first().ok_or("with: name a command")?;
    let cluster = for_tests(&image::build()?)?;
    crate::machine::stream(Command::new(program).args(arguments).envs(cluster.variables()))
}
