//! `backup`: takes, lists, verifies and removes backups.

use std::path::PathBuf;
use std::time::Duration;

use cofferdam_adapters::backup::{Place, Recipients};
use cofferdam_core::{Code, Name, Refusal, Result};
use cofferdam_engines::copy::{Reach, Wanted};
use cofferdam_engines::{Ability, Session};
use cofferdam_runner::backup::{Backups, Order, When, protected, take, verify_backup};

use super::{Command, Exit, flags};
use crate::args::{allow, backup, duration, name};
use crate::config::Settings;
use crate::context::Context;
use crate::output::backup::{BackupView, BackupsView, PrunedView};
use crate::output::progress::Progress;
use crate::wiring;

#[derive(Debug, clap::Args)]
struct Flags {
    /// What is to be done
    #[arg(value_enum, default_value = "take")]
    what: What,
    /// The backup to verify
    #[arg(value_name = "BACKUP")]
    id: Option<String>,
    /// The place: a folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Take this table only; may be repeated [default: all tables]
    #[arg(long, value_name = "TABLE", value_parser = name::parse)]
    table: Vec<Name>,
    /// Take the whole database too, by pg_dump, mysqldump or mariadb-dump
    #[arg(long)]
    whole: bool,
    /// Encrypt to this public key of age; may be repeated
    #[arg(long, value_name = "age1...")]
    encrypt_to: Vec<String>,
    /// The file with the identity of age that opens the backup
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// Prune: keep the newest so many of each database
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    /// Prune: only those older than this
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    older_than: Option<Duration>,
    /// Go on with a backup that cannot be verified, and say why: unverified-backup="reason"
    #[arg(long, value_name = "unverified-backup=REASON", value_parser = allow::parse)]
    allow: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Take a backup
    Take,
    /// List what is there
    List,
    /// Read one back, and restore it where nobody sees it
    Verify,
    /// Remove old ones
    Prune,
}

pub(crate) static COMMAND: Command = Command {
    name: "backup",
    aliases: &[],
    about: "Take, list, verify and remove backups of tables",
    more: "Rows are copied in one snapshot, packed, encrypted where a key is given, and read back: a backup is called \
           verified only after its rows were restored where nobody sees them and have the count and the hash that they \
           had. Credentials are read from the usual variables (AWS_ACCESS_KEY_ID, GOOGLE_SERVICE_ACCOUNT, \
           AZURE_STORAGE_ACCOUNT_NAME). A backup whose run can still be taken back is never pruned.",
    examples: &[
        ("cofferdam backup --env prod --table orders --to /var/backups", "one table, into a folder"),
        ("cofferdam backup --env prod --to s3://backups/shop", "every table, into a bucket"),
        ("cofferdam backup list --to s3://backups/shop", "what is there"),
        ("cofferdam backup verify shop-20261121T203000Z-1a2b3c4d --to /var/backups", "is it still whole?"),
        ("cofferdam backup prune --keep 7 --to /var/backups --yes", "all but the newest seven go"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { run(&context, &flags(&matches)?).await }),
};

async fn run(context: &Context, flags: &Flags) -> Result<Exit> {
    let settings = context.settings()?;
    let place = backup::place(flags.to.as_ref(), &settings)?;
    match flags.what {
        What::Take => taken(context, flags, &settings, place).await,
        What::List => {
            let view = BackupsView::new(place.shown(), place.list().await?);
            context.console.show("Backups", &view, BackupsView::text);
            Ok(Exit::DONE)
        }
        What::Verify => verified(context, flags, &settings, &place).await,
        What::Prune => pruned(context, flags, &settings, &place).await,
    }
}

async fn taken(context: &Context, flags: &Flags, settings: &Settings, place: Place) -> Result<Exit> {
    wiring::able(settings.url.as_deref(), Ability::Copy)?;
    if flags.whole {
        wiring::able(settings.url.as_deref(), Ability::Dump)?;
    }
    let mut session = context.open(settings).await?;
    let keys = if flags.encrypt_to.is_empty() { &settings.backup.encrypt_to } else { &flags.encrypt_to };
    let backups = Backups {
        when: When::Always,
        whole: flags.whole,
        to: Some(place),
        recipients: Recipients::of(keys)?,
        tables: flags.table.clone(),
        unverified: flags
            .allow
            .iter()
            .find(|(what, _)| what == backup::UNVERIFIED)
            .map(|(_, why)| why.clone()),
        restore: None,
    };
    let order = Order {
        wanted: wanted(&mut *session, &flags.table).await?,
        whole: flags.whole,
        run: None,
        who: wiring::who(settings.environment.as_deref()),
    };
    let progress = Progress::new(&context.console);
    let made = take(&mut *session, &order, &backups, &progress.reporter(), context.halt.driving()).await;
    progress.end();
    let made = made?.ok_or_else(|| {
        let names: Vec<String> = flags.table.iter().map(Name::to_string).collect();
        Refusal::new(Code::BackupNotTaken, "there is nothing to save")
            .cause(match names.is_empty() {
                true => "the database has no tables of its own".to_owned(),
                false => format!("there is no table {}", names.join(", ")),
            })
            .help("name a table with its schema: --table app.orders")
    })?;
    let view = BackupView::new(&made.manifest, &made.taken.location);
    context.console.show("Backup", &view, BackupView::text);
    Ok(Exit::DONE)
}

/// The tables that are named, all of which must be there; else those of every schema of the application: on MySQL and
/// MariaDB that is the database.
async fn wanted(session: &mut dyn Session, tables: &[Name]) -> Result<Wanted> {
    const SCHEMAS: &str = "SELECT nspname FROM pg_catalog.pg_namespace
        WHERE nspname !~ '^(pg_|information_schema$|cofferdam$|cofferdam_new_|cofferdam_old_)'";
    if tables.is_empty() && session.dialect() != "postgresql" {
        let database = session.facts(&[]).await?.server.database;
        return Ok(Wanted { tables: Vec::new(), schemas: vec![database] });
    }
    if tables.is_empty() {
        let rows = session.rows(SCHEMAS, 100_000).await?.rows;
        return Ok(Wanted { tables: Vec::new(), schemas: rows.into_iter().flatten().flatten().collect() });
    }
    let facts = session.facts(tables).await?;
    if let Some(gone) = tables.iter().find(|name| !facts.table(name).is_some_and(|table| table.exists)) {
        return Err(Refusal::new(Code::BackupNotTaken, format!("there is no table {gone}"))
            .cause("the role's search_path, or the schema that was given, has no such table")
            .help("name it with its schema: --table app.orders")
            .into());
    }
    let tables = tables.iter().map(|name| (name.clone(), Reach::Itself)).collect();
    Ok(Wanted { tables, schemas: Vec::new() })
}

async fn verified(context: &Context, flags: &Flags, settings: &Settings, place: &Place) -> Result<Exit> {
    let id = flags.id.as_deref().ok_or_else(|| {
        Refusal::new(Code::Usage, "no backup is named")
            .help("cofferdam backup verify ID; cofferdam backup list")
    })?;
    let found = place.manifest(id).await?;
    let keys = backup::keys(flags.identity.as_ref())?;
    let mut session = if settings.has_database { Some(context.open(settings).await?) } else { None };
    let session = session.as_mut().map(|session| &mut **session as &mut dyn Session);
    let why = verify_backup(session, place, &found, &keys).await?;
    let mut view = BackupView::new(&found.manifest, &place.location(id));
    view.verified = why.is_none();
    view.unverified = why;
    context.console.show("Backup", &view, BackupView::text);
    Ok(Exit::DONE)
}

async fn pruned(context: &Context, flags: &Flags, settings: &Settings, place: &Place) -> Result<Exit> {
    if flags.keep.is_none() && flags.older_than.is_none() {
        return Err(Refusal::new(Code::Usage, "it is not said which backups are to go")
            .help("--keep N keeps the newest N of each database; --older-than 90d")
            .into());
    }
    let mut session = context.open(settings).await?;
    let mut view = PrunedView::default();
    let mut newer: std::collections::BTreeMap<String, u32> = Default::default();
    let now = jiff::Timestamp::now();
    for one in place.list().await?.into_iter().rev() {
        // What has no manifest may be one that is being written.
        let Ok(found) = one.found else {
            view.kept.push((one.id, "it has no manifest that can be read".to_owned()));
            continue;
        };
        let manifest = found.manifest;
        let of = format!("{}/{}", manifest.origin.server, manifest.origin.database);
        let rank = newer.entry(of).or_default();
        *rank += 1;
        if flags.keep.is_some_and(|keep| *rank <= keep) {
            continue;
        }
        let age = manifest.taken_at.parse::<jiff::Timestamp>().map(|at| now.duration_since(at));
        let old =
            |limit: Duration| age.as_ref().is_ok_and(|age| age.unsigned_abs() > limit && age.is_positive());
        if flags.older_than.is_some_and(|limit| !old(limit)) {
            continue;
        }
        match protected(&mut *session, &manifest).await? {
            Some(why) => view.kept.push((manifest.id, why)),
            None => view.removed.push(manifest.id),
        }
    }
    if !view.removed.is_empty() && !context.common.yes {
        let refusal = Refusal::new(
            Code::WouldDestroy,
            format!("{} would be removed", crate::output::words::count(view.removed.len(), "backup")),
        );
        let refusal = view.removed.iter().fold(refusal, |refusal, id| refusal.note(place.location(id)));
        return Err(refusal.cause("nobody agreed to it").help("agree with --yes").into());
    }
    for id in &view.removed {
        place.remove(id).await?;
    }
    context.console.show("Pruned", &view, PrunedView::text);
    Ok(Exit::DONE)
}
