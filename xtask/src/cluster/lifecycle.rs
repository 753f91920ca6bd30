//! Starting the cluster, ending it, and what of it runs.

use std::fs::{self, File};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::component::{self, Component, STAGES};
use super::probe::kubectl;
use super::programs::Programs;
use super::{cgroup, credentials, image, network, packages, place};
use crate::machine::is_root;
use crate::shelf;

/// How long a component may take to become ready; on an idle machine none takes more than ten seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// What `up` found.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// It was running, and stays as it is.
    Running,
    /// It was not, or not well, and was started anew.
    Started,
}

/// Starts the cluster if it is not running well. A cluster that lacks something is not mended: it is for tests, so
/// one that is as new is worth more than what was in it.
pub(super) fn up() -> Result<Found, String> {
    needs_root()?;
    let _held = changing()?;
    if is_healthy() {
        return Ok(Found::Running);
    }
    packages::install()?;
    let programs = Programs::ready()?;
    if !cgroup::processes().is_empty() || network::is_made() {
        println!("cluster: what is left of an earlier one is removed; it was not running well");
    }
    clean()?;
    println!("cluster: starting; about 20 seconds");
    let began = Instant::now();
    if let Err(why) = start(&programs) {
        // The logs stay.
        return Err(match clean() {
            Ok(()) => why,
            Err(also) => format!("{why}\nand it could not be cleaned up: {also}"),
        });
    }
    println!("cluster: ready after {} s", began.elapsed().as_secs());
    Ok(Found::Started)
}

/// Ends the cluster and removes what is left of it, however it ended.
pub(super) fn down() -> Result<(), String> {
    needs_root()?;
    let _held = changing()?;
    clean()
}

/// Whether every component runs and is ready.
pub(super) fn is_healthy() -> bool {
    network::is_made() && component::all().all(|component| state(component).is_ok())
}

/// Prints what runs; whether everything does.
pub(super) fn status() -> Result<bool, String> {
    needs_root()?;
    let mut well = true;
    for component in component::all() {
        let state = state(component);
        well &= state.is_ok();
        let (Ok(text) | Err(text)) = state;
        println!("{:24}{:24}{}", component.name, text.lines().next().unwrap_or_default(), component.about);
    }
    Ok(well)
}

fn state(component: &Component) -> Result<String, String> {
    let pid = component.pid().ok_or("not running")?;
    component.ready.ask().map_err(|why| format!("pid {pid}, not ready: {why}"))?;
    Ok(format!("pid {pid}, ready"))
}

fn start(programs: &Programs) -> Result<(), String> {
    place::make()?;
    programs.link()?;
    credentials::write()?;
    cgroup::make()?;
    network::make()?;
    for (number, stage) in STAGES.iter().enumerate() {
        stage.iter().try_for_each(|component| component.start())?;
        stage.iter().try_for_each(|component| wait(component))?;
        if number == 0 {
            image::push_pause(&programs.pause())?;
        }
    }
    // Before it is there, no Pod can be made in the namespace.
    until(|| kubectl(&["get", "serviceaccount", "default"]).map(|_| ()), || false)
        .map_err(|why| format!("the namespace `default` got no service account: {why}"))
}

fn wait(component: &Component) -> Result<(), String> {
    until(|| component.ready.ask(), || component.has_ended()).map_err(|why| failure(component, &why))
}

/// Asks until it is so, or it cannot become so any more, or patience is at its end.
fn until(ask: impl Fn() -> Result<(), String>, hopeless: impl Fn() -> bool) -> Result<(), String> {
    let began = Instant::now();
    loop {
        match ask() {
            Err(_) if began.elapsed() < PATIENCE && !hopeless() => sleep(Duration::from_millis(200)),
            answer => return answer,
        }
    }
}

fn failure(component: &Component, why: &str) -> String {
    let log = place::log(component.name);
    let text = fs::read_to_string(&log).unwrap_or_default();
    let what = if component.has_ended() { "ended" } else { "does not become ready" };
    format!(
        "{} {what}: {why}\nthe end of its log:\n{}next: less {}",
        component.name,
        tail(&text),
        log.display()
    )
}

/// The last lines, each cut where it becomes too long to be read.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let last = &lines[lines.len().saturating_sub(12)..];
    last.iter().map(|line| format!("  {}\n", line.chars().take(300).collect::<String>())).collect()
}

fn clean() -> Result<(), String> {
    cgroup::end()?;
    network::remove()?;
    place::remove()?;
    for folder in component::COVERED {
        // Only one that is empty can be removed: one that others use stays.
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}

/// Held while the cluster is started or ended.
fn changing() -> Result<File, String> {
    shelf::lock(Path::new("/run/cofferdam-cluster.lock"))
}

/// Its folder is closed to anyone else, so that nobody gets the rights that its credentials give.
pub(super) fn needs_root() -> Result<(), String> {
    if is_root() {
        return Ok(());
    }
    Err("the cluster is root's; next: the same under `sudo env PATH=\"$PATH\"`".into())
}
