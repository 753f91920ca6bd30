//! The checker without a migration: clean under every kind of load, through crashes of the server as well.

use std::time::Duration;

use cofferdam_scratch::{Options, Server};

use crate::oracle;
use crate::session::Session;
use crate::support::{Bench, binaries};
use crate::world::{Traffic, World};

/// Runs on one thread: what takes time is the server.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

const TRAFFIC: Traffic = Traffic { seed: 1, writers: 5, rows: 400, pause: 2, truncate: 700 };

fn fail(world: &World, wrong: &[String]) {
    let (done, met) = (world.done.lock().unwrap(), world.met.lock().unwrap());
    assert!(
        wrong.is_empty(),
        "seed {}\n{}\n{:?}\n{done:?}\n{met:?}",
        world.traffic.seed,
        wrong.join("\n"),
        world.journal.counts()
    );
}

/// Without a migration the oracle finds nothing, at several quiet moments and at the end.
#[test]
fn without_a_migration_nothing_is_wrong() {
    let bench = Bench::new("quiet");
    block_on(async {
        let world = World::create(&bench.url, TRAFFIC, bench.folder.path()).await;
        let owner = Session::open(&bench.url, "postgres").await.unwrap();
        let writers = world.start();
        // A load in which something never happens proves nothing about it, and how soon it happens is the machine's
        // matter.
        let never = || -> Vec<&str> {
            let done = world.done.lock().unwrap();
            let names = crate::deeds::WEIGHTS.iter().map(|(_, name, _, _)| *name);
            names.filter(|name| !done.contains_key(name)).collect()
        };
        let enough = || {
            let counts = world.journal.counts();
            never().is_empty() && counts.acknowledged > 500 && counts.failed > 20
        };
        let mut moments = 0;
        while moments < 3 || !enough() && moments < 60 {
            moments += 1;
            tokio::time::sleep(Duration::from_millis(1500)).await;
            let _alone = world.barrier.write().await;
            fail(&world, &world.accused());
            fail(&world, &oracle::check(&world, &owner).await);
            world.journal.checked();
        }
        world.stop(writers).await;
        fail(&world, &world.accused());
        fail(&world, &oracle::check(&world, &owner).await);
        let counts = world.journal.counts();
        assert!(enough(), "never done: {:?}; {counts:?}", never());
        eprintln!("{counts:?} {:?} cut {:?}", world.met.lock().unwrap(), world.cut);
    });
}

/// The server crashes under the load; what was in doubt is decided, and nothing acknowledged is lost.
#[test]
fn a_crash_of_the_server_leaves_nothing_undecided() {
    let mut server = Server::start(&binaries(), &Options { tcp: true, ..Options::default() }).unwrap();
    let url = server.create_database("crash").unwrap();
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let world = World::create(&url, Traffic { seed: 2, ..TRAFFIC }, folder.path()).await;
        let writers = world.start();
        world.shaky.store(true, std::sync::atomic::Ordering::SeqCst);
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_millis(700)).await;
            server.stop_immediate().unwrap();
            server.start_again().unwrap();
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.stop(writers).await;
        let owner = Session::open(&url, "postgres").await.unwrap();
        fail(&world, &world.accused());
        fail(&world, &oracle::check(&world, &owner).await);
        assert!(world.journal.counts().in_doubt > 0, "no transaction was in doubt");
    });
}
