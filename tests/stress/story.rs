//! A whole change under load: begun, killed, swapped, written to, and taken back or finished; and after each step
//! whether everything is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::change::Change;
use crate::dice::Dice;
use crate::oracle;
use crate::row::SCHEMA;
use crate::session::Session;
use crate::support::{Bench, Ended, program};
use crate::world::{Traffic, World};

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Finalize,
    Rollback,
}

/// What came of a story.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was as it must be.
    Sound,
    /// The program gave up by itself, with this code of its errors.
    Refused(String),
    /// The oracle found something.
    Wrong(Vec<String>),
}

pub struct Story {
    pub traffic: Traffic,
    pub change: Change,
    pub ending: Ending,
    /// How long writers are at work between the steps.
    pub breath: Duration,
}

type Found = Result<(), Outcome>;

impl Story {
    pub async fn tell(&self, bench: &Bench) -> Outcome {
        let world = World::create(&bench.url, self.traffic, bench.folder.path()).await;
        let owner = Session::open(&bench.url, "postgres").await.unwrap();
        let original = dump(bench);
        let altered = altered(bench, &owner, self.change.clauses).await;
        let writers = world.start();
        tokio::time::sleep(self.breath).await;
        let outcome = self.steps(bench, &world, &owner, &original, &altered).await;
        let stopped = tokio::time::timeout(Duration::from_secs(90), world.stop(writers)).await;
        match outcome {
            Err(outcome) => outcome,
            Ok(()) if stopped.is_err() => Outcome::Wrong(vec!["writers did not end".into()]),
            Ok(()) => match self.quiet(&world, &owner, vec![]).await {
                Ok(()) => Outcome::Sound,
                Err(outcome) => outcome,
            },
        }
    }

    async fn steps(
        &self,
        bench: &Bench,
        world: &Arc<World>,
        owner: &Session,
        original: &str,
        altered: &str,
    ) -> Found {
        let mut dice = Dice::of(self.traffic.seed, 500);
        let old = table(owner).await;
        let look = Look::begin(&bench.url, old.clone()).await;
        let ended = self.change.insist(world, bench, &self.change.alter(), &mut dice).await;
        let before = look.end().await;
        self.must_end(&ended)?;
        // Sound or not: when the program gives up, the table must be as it was.
        if ended.code != 0 {
            let mut wrong = differ("the table's definition after it was given up", &dump(bench), original);
            if table(owner).await != old {
                wrong.push("it was given up, and another table stands in its place".into());
            }
            self.quiet(world, owner, wrong).await?;
            return Err(Outcome::Refused(format!("{}: {}", code(&ended.stderr), ended.stderr)));
        }
        let mut wrong = differ("the definition after the swap", &without_capture(&dump(bench)), altered);
        if table(owner).await == old {
            wrong.push("it ended well, and the tables were not swapped".into());
        }
        {
            let _alone = world.barrier.write().await;
            let waiting = old_table(owner).await;
            wrong.extend(oracle::untouched(world, owner, &waiting, before).await);
            wrong.extend(oracle::logged(owner, &waiting).await);
        }
        self.quiet(world, owner, wrong).await?;
        tokio::time::sleep(self.breath).await;
        // By its run, which is found also when it has ended: a kill may come after that.
        let run = owner.ask("SELECT id FROM cofferdam.run WHERE ended_at IS NULL").await.unwrap();
        let run = run.rows[0][0].clone().unwrap_or_default();
        let (word, expected) = match self.ending {
            Ending::Finalize => ("finalize", altered),
            Ending::Rollback => ("rollback", original),
        };
        let arguments = [word, run.as_str(), "--lock-wait", "30s", "--yes"];
        let ended = self.change.insist(world, bench, &arguments, &mut dice).await;
        self.must_end(&ended)?;
        if ended.code != 0 {
            self.quiet(world, owner, vec![]).await?;
            return Err(Outcome::Refused(format!("{}: {}", code(&ended.stderr), ended.stderr)));
        }
        let mut wrong = differ("the definition at the end", &dump(bench), expected);
        wrong.extend(left_over(owner).await);
        if self.ending == Ending::Rollback && table(owner).await != old {
            wrong.push("it was taken back, and another table stands in its place".into());
        }
        self.quiet(world, owner, wrong).await?;
        tokio::time::sleep(self.breath / 2).await;
        Ok(())
    }

    fn must_end(&self, ended: &Ended) -> Found {
        if ended.code >= 0 { Ok(()) } else { Err(Outcome::Wrong(vec![format!("{ended:?}")])) }
    }

    /// Keeps writers out and looks whether everything is there.
    async fn quiet(&self, world: &World, owner: &Session, mut wrong: Vec<String>) -> Found {
        let _alone = world.barrier.write().await;
        wrong.extend(world.accused());
        wrong.extend(oracle::check(world, owner).await);
        if !wrong.is_empty() {
            return Err(Outcome::Wrong(wrong));
        }
        world.journal.checked();
        Ok(())
    }
}

/// Looks all the time which table stands in its place.
struct Look {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Instant>,
}

impl Look {
    async fn begin(url: &str, old: String) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let session = Session::open(url, "postgres").await.unwrap();
        let seen = stop.clone();
        let task = tokio::spawn(async move {
            let mut last = Instant::now();
            while !seen.load(Ordering::SeqCst) {
                let began = Instant::now();
                if table(&session).await == old {
                    last = began;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            last
        });
        Self { stop, task }
    }

    /// A moment at which the old table was still there, as late as it can be told.
    async fn end(self) -> Instant {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.unwrap()
    }
}

/// What names the table that stands under its name.
async fn table(owner: &Session) -> String {
    let answer = owner.ask("SELECT to_regclass('public.item')::oid").await.unwrap();
    answer.rows[0][0].clone().unwrap_or_default()
}

/// The table that was swapped out.
async fn old_table(owner: &Session) -> String {
    let sql = "SELECT format('%I.item', nspname) FROM pg_namespace WHERE nspname LIKE 'cofferdam\\_old\\_%'";
    let answer = owner.ask(sql).await.unwrap();
    answer.rows.first().and_then(|row| row[0].clone()).expect("the old table waits in its schema")
}

/// What a change leaves when it is over: nothing but its rows in the history.
async fn left_over(owner: &Session) -> Vec<String> {
    let sql = "SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname LIKE 'cofferdam\\_%'
        UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE tgname LIKE 'cofferdam%'
        UNION ALL SELECT 'function ' || proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
            WHERE proname LIKE 'cofferdam%'
        UNION ALL SELECT 'run ' || id FROM cofferdam.run WHERE ended_at IS NULL
        UNION ALL SELECT 'change ' || id FROM cofferdam.online
        UNION ALL SELECT 'slot ' || slot_name FROM pg_replication_slots WHERE database = current_database()";
    let rows = owner.ask(sql).await.unwrap().rows;
    rows.into_iter().map(|row| format!("left over: {}", row[0].clone().unwrap_or_default())).collect()
}

/// The application's schema as pg_dump writes it.
pub fn dump(bench: &Bench) -> String {
    dump_of(&bench.url)
}

fn dump_of(url: &str) -> String {
    let output = std::process::Command::new(program("pg_dump"))
        .args(["--schema-only", "--no-owner", "-N", "cofferdam*", url])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let kept = |line: &&str| {
        !line.is_empty()
            && !line.starts_with("--")
            && !line.starts_with("\\restrict")
            && !line.starts_with("\\unrestrict")
    };
    text.lines().filter(kept).collect::<Vec<_>>().join("\n")
}

/// While the swap can be taken back, the new table has triggers of ours.
fn without_capture(dump: &str) -> String {
    dump.lines().filter(|line| !line.contains("\"cofferdam capture")).collect::<Vec<_>>().join("\n")
}

/// What the plain ALTER makes of the empty schema, on the same server.
async fn altered(bench: &Bench, owner: &Session, clauses: &str) -> String {
    owner.ask(&format!("CREATE DATABASE {}", plain(bench))).await.unwrap();
    let url = bench.url.replace(&format!("/{}", bench.database), &format!("/{}", plain(bench)));
    let session = Session::open(&url, "postgres").await.unwrap();
    session.ask(&format!("{SCHEMA}; ALTER TABLE item {clauses}")).await.unwrap();
    dump_of(&url)
}

/// The name of the database beside a bench's own.
pub fn plain(bench: &Bench) -> String {
    format!("{}_plain", bench.database)
}

fn differ(what: &str, really: &str, expected: &str) -> Vec<String> {
    if really == expected {
        return vec![];
    }
    let lines = |text: &str, other: &str| {
        let other: Vec<&str> = other.lines().collect();
        text.lines().filter(|line| !other.contains(line)).collect::<Vec<_>>().join("\n  ")
    };
    vec![format!("{what} has\n  {}\nand not\n  {}", lines(really, expected), lines(expected, really))]
}

/// The code of the error that a command ended with.
fn code(stderr: &str) -> String {
    let at = stderr.find("error[").map(|at| at + 6);
    at.and_then(|at| stderr.get(at..at + 6)).unwrap_or("no code").to_owned()
}
