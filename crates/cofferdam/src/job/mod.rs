//! `cofferdam runner`: the process in the Job of a DatabaseMigration.
//!
//! It reads its object, does what is asked, and says in the object's status how far it is. The journal in the database
//! is the truth: whatever the API does meanwhile, the run goes on, and a Pod that comes after it goes on from there.

mod apply;
mod back;
mod backup;
mod bundle;
mod consent;
mod container;
mod credentials;
mod desire;
mod ending;
mod guard;
mod image;
mod log;
mod mirror;
mod push;
mod reach;
mod reporter;
mod status;
mod telling;
mod window;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cofferdam_api::status::Target;
use cofferdam_api::value::Sha256;
use cofferdam_api::{DatabaseMigration, Reason, Stage};
use cofferdam_core::{Code, Refusal};
use cofferdam_engines::{Session, product};
use cofferdam_operator::contract::{self, Kind, Left};
use cofferdam_operator::mirror::{Mirror, Unread};
use cofferdam_operator::outcome::{Ended, Outcome};
use cofferdam_runner::Stop;

use desire::{Asker, Follower};
use ending::{End, Halted, Wanted};
use log::{Level, Log};
use mirror::View;
use reach::{Pauses, Reach};
use reporter::Report;
use status::Account;

use crate::output::error;
use crate::signals::Halt;

/// What is asked of the process.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) work: Kind,
    /// The digest of the plan that somebody agreed to.
    pub(crate) approved: Option<Sha256>,
    /// How the container of the user ended that came before.
    pub(crate) left: Option<Left>,
    /// Why it is to be taken back, where it is no person who asks.
    pub(crate) why: Option<String>,
    /// In which Pod it is at work.
    pub(crate) place: Place,
    pub(crate) object: Object,
    /// Where the kubelet mounts everything.
    pub(crate) folder: PathBuf,
    /// Where the message is written that the Pod ends with.
    pub(crate) termination_log: PathBuf,
}

/// In which Pod of which Job a process is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    /// The digest of the spec that the Job was made for.
    pub(crate) order: String,
    pub(crate) job: String,
    pub(crate) pod: String,
    /// The image that a container of the user is started from, by its digest.
    pub(crate) image: Option<String>,
    /// The Pod's number among those that work side by side.
    pub(crate) index: u32,
}

/// Which object.
#[derive(Debug)]
pub(crate) enum Object {
    /// Of the cluster.
    Cluster { namespace: String, name: String, uid: String },
    /// In a file.
    File(PathBuf),
}

/// The folders of the contract.
#[derive(Debug)]
struct Folders {
    database: PathBuf,
    scripts: PathBuf,
    directory: PathBuf,
    pull: PathBuf,
    image: PathBuf,
    authorities: PathBuf,
    backup: PathBuf,
    identity: PathBuf,
}

impl Folders {
    /// Below another folder than the contract's.
    fn below(folder: &Path) -> Self {
        let place = |path: &str| folder.join(Path::new(path).file_name().unwrap_or_default());
        Self {
            database: place(contract::DATABASE),
            scripts: place(contract::SCRIPTS),
            directory: place(contract::DIRECTORY),
            pull: place(contract::PULL),
            image: place(contract::IMAGE),
            authorities: place(contract::AUTHORITIES),
            backup: place(contract::BACKUP),
            identity: place(contract::IDENTITY),
        }
    }
}

/// A run at work.
struct Job {
    name: String,
    view: View,
    object: DatabaseMigration,
    approved: Option<Sha256>,
    left: Option<Left>,
    /// What was found where it is the operator who asks for the way back.
    why: Option<String>,
    place: Place,
    folders: Folders,
    reach: Reach,
    report: Arc<Report>,
    stop: Stop,
    /// Who acts, for the journal: it tells this object's runs from all others.
    who: String,
}

impl Job {
    /// The database was reached: says which it is. Refuses another one than the first that was.
    async fn reached(&self, session: &mut dyn Session) -> Result<(), Halted> {
        let server = session.facts(&[]).await?.server;
        let address = self.reach.address();
        let known = match server.identity.is_empty() {
            false => server.identity.clone(),
            true => address.clone().unwrap_or_default(),
        };
        let target = Target {
            identity: status::cut(&format!("{known}/{}", server.database), 256),
            address,
            server: Some(format!("{} {}", product(session.dialect()), server.version_text)),
        };
        let before = self.report.with(|account, _| account.target().cloned());
        if let Some(before) = before.filter(|before| before.identity != target.identity) {
            let refusal = Refusal::new(
                Code::Usage,
                "spec.database: this is another database than the one of the first run",
            )
            .cause(format!("it is {}, and status.target is {}", target.identity, before.identity))
            .help("point the Secret to the first one again, or make a new DatabaseMigration");
            return Err(Box::new(refusal).into());
        }
        self.report.with(|account, _| account.reached(target));
        Ok(())
    }
}

/// Does what is asked, and returns the code whose exit code is that of the process; `None`: 0.
pub(crate) async fn carry_out(order: Order, halt: &Halt) -> Option<Code> {
    let name = match &order.object {
        Object::Cluster { namespace, name, .. } => format!("{namespace}/{name}"),
        Object::File(path) => path.display().to_string(),
    };
    let log = Arc::new(Log::new(name.clone()));
    let stop = halt.driving().clone();
    let heard = Arc::clone(&log);
    let work = order.work;
    let opens_the_way = work == Kind::Container;
    halt.heed_signals(move |_| heard.line(Level::Warn, "stopping at the next safe point"));
    heed_panics(order.termination_log.clone());
    let (asker, path) = (Asker::default(), order.termination_log.clone());
    let mut report = None;
    let End { mut outcome, code } = match worked(order, &stop, &asker, &log, &mut report).await {
        Ok(outcome) => End::well(outcome),
        Err(halted) => {
            let began = report.as_ref().is_some_and(|(report, _): &(Arc<Report>, View)| report.began());
            let wanted = asker.wanted();
            ending::end(&halted, wanted, began)
        }
    };
    if let Some((report, view)) = &report {
        report.with(|account, now| {
            outcome.run_id = account.run_id().filter(|_| report.began()).map(str::to_owned);
            outcome.figures = report.began().then(|| report.counter.figures());
            match outcome.ended {
                Ended::RolledBack => account.ends(Some(Stage::RolledBack), now),
                Ended::Stuck => account.ends(Some(Stage::Stuck), now),
                Ended::Refused => account.ends(Some(Stage::Refused), now),
                Ended::Failed => account.ends(None, now),
                Ended::Succeeded | Ended::Stopped | Ended::WaitsForApproval | Ended::Prepared => {}
            }
            account.halted(&outcome, now);
        });
        leave(&path, &outcome, &log);
        match asker.wanted() {
            // It may be written to no more.
            Some(Wanted::Gone) => report.write_now(view).await,
            _ => report.write_at_the_end(view).await,
        }
        push::tell(report, work, &name, &outcome).await;
        report.spans.close().await;
    } else {
        leave(&path, &outcome, &log);
    }
    // What comes after it in its Pod must not start but where it said so.
    if opens_the_way && outcome.ended != Ended::Prepared {
        return code.or(Some(Code::Interrupted));
    }
    code
}

/// Writes the message that the Pod ends with, and the last line of the log.
fn leave(path: &Path, outcome: &Outcome, log: &Log) {
    if let Err(why) = std::fs::write(path, outcome.text()) {
        log.line(Level::Warn, &format!("{} cannot be written: {why}", path.display()));
    }
    let level = match outcome.ended {
        Ended::Succeeded | Ended::Stopped | Ended::WaitsForApproval | Ended::Prepared => Level::Info,
        Ended::Refused | Ended::RolledBack | Ended::Stuck | Ended::Failed => Level::Error,
    };
    log.line(level, &format!("{:?}: {}: {}", outcome.ended, outcome.reason, outcome.message));
}

/// A panic is a bug of ours, and is said as such, without what it was about.
fn heed_panics(path: PathBuf) {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let outcome = Outcome::new(
            Ended::Failed,
            Reason::JobFailed,
            format!("a bug of Cofferdam: panicked at {place}"),
        );
        let _ = std::fs::write(&path, outcome.text());
        before(panic);
    }));
}

/// Finds the object, and does what is asked.
async fn worked(
    order: Order,
    stop: &Stop,
    asker: &Asker,
    log: &Arc<Log>,
    told: &mut Option<(Arc<Report>, View)>,
) -> Result<Outcome, Halted> {
    let view = match &order.object {
        Object::File(path) => View::File(path.clone()),
        Object::Cluster { namespace, name, uid } => {
            let mirror = Mirror::open(namespace, name, uid).await;
            View::Cluster(Box::new(mirror.map_err(|why| {
                let refusal = Refusal::new(Code::Usage, "the API of Kubernetes cannot be used").cause(why);
                Halted::Because(Reason::JobFailed, Box::new(refusal))
            })?))
        }
    };
    let object = found(&view, stop, asker, log).await?;
    if object.spec.suspend && matches!(order.work, Kind::Apply | Kind::Container) {
        asker.ask(stop, Wanted::Suspended);
    }
    let (report, mut job) = prepared(order.approved, &order.folder, (object, &view), stop, log);
    (job.left, job.why, job.place) = (order.left, order.why, order.place);
    *told = Some((Arc::clone(&report), view.clone()));
    let mut writing = tokio::spawn(Arc::clone(&report).keep_writing(view.clone()));
    let follower = Follower {
        view,
        work: order.work,
        reach: job.reach.clone(),
        report,
        stop: stop.clone(),
        asker: asker.clone(),
    };
    let following = tokio::spawn(follower.follow());
    let courier = telling::begin(&job, &order.folder);
    let outcome: Result<Outcome, Halted> = match order.work {
        Kind::Apply | Kind::Container
            if job.object.spec.backup.is_some() && job.object.spec.migration.container.is_some() =>
        {
            Err(Box::new(
                Refusal::new(
                    Code::Usage,
                    "spec.backup: what a container of your own destroys is not known before",
                )
                .help("make a backup by other means, and leave it out"),
            )
            .into())
        }
        Kind::Apply => match &job.object.spec.migration.container {
            Some(wanted) => insisting(&job, async || container::apply(&job, wanted).await).await,
            None => apply::apply(&job).await,
        },
        Kind::Container => match &job.object.spec.migration.container {
            Some(wanted) => insisting(&job, async || container::open(&job, wanted).await).await,
            None => Ok(Outcome::new(Ended::Stopped, Reason::PodEvicted, container::ANOTHER_SPEC)),
        },
        Kind::Finalize => insisting(&job, async || window::finalize(&job).await).await,
        Kind::Rollback if job.object.spec.migration.container.is_some() => {
            Err(container::no_way_back(&job).into())
        }
        Kind::Rollback => insisting(&job, async || back::rollback(&job).await).await,
    };
    telling::finish(courier, log).await;
    following.abort();
    job.report.close();
    let over = tokio::time::timeout(reporter::AT_THE_END, &mut writing).await;
    if over.is_err() {
        writing.abort();
    }
    outcome
}

/// Tries for as long as what stands in the way may go by itself: a server that is down, another runner, a lock.
async fn insisting(job: &Job, work: impl AsyncFn() -> Result<Outcome, Halted>) -> Result<Outcome, Halted> {
    let mut pauses = Pauses::new();
    loop {
        let fault = match work().await {
            Err(Halted::Fault(fault)) => fault,
            ended => return ended,
        };
        let Some(reason) = reach::goes_on(&fault) else { return Err(fault.into()) };
        job.report.waits(reason, &ending::message(&error::refusal(&fault)));
        pauses.pause(&job.stop).await?;
    }
}

/// The object, however long it takes to read it.
async fn found(view: &View, stop: &Stop, asker: &Asker, log: &Log) -> Result<DatabaseMigration, Halted> {
    let mut pauses = Pauses::new();
    loop {
        match view.read().await {
            Ok(object) if object.metadata.deletion_timestamp.is_none() => return Ok(object),
            Ok(_) | Err(Unread::Gone) => {
                asker.ask(stop, Wanted::Gone);
                return Err(Box::new(stop.refusal()).into());
            }
            Err(Unread::Failed(why)) => log.line(Level::Warn, &format!("the object cannot be read: {why}")),
        }
        pauses.pause(stop).await?;
    }
}

fn prepared(
    approved: Option<Sha256>,
    folder: &Path,
    (object, view): (DatabaseMigration, &View),
    stop: &Stop,
    log: &Arc<Log>,
) -> (Arc<Report>, Job) {
    let name = object.metadata.name.clone().unwrap_or_default();
    let namespace = object.metadata.namespace.clone().unwrap_or_else(|| "default".to_owned());
    let who = format!("cofferdam runner {namespace}/{name}");
    let finalize = object.spec.rollback.window.parse().is_ok_and(|window| window.is_zero());
    let report = Report::new(Account::new(&object, finalize), Arc::clone(log));
    let folders = Folders::below(folder);
    let reach = Reach {
        database: object.spec.database.clone(),
        folder: folders.database.clone(),
        authorities: folders.authorities.clone(),
        who: who.clone(),
        logins: object.spec.database.aws.as_ref().map(crate::logins::of_spec),
    };
    let view = view.clone();
    let job = Job {
        name,
        view,
        object,
        approved,
        left: None,
        why: None,
        place: Place::default(),
        folders,
        reach,
        report: Arc::clone(&report),
        stop: stop.clone(),
        who,
    };
    (report, job)
}
