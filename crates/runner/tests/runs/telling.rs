//! Who is told of runs: in order, at least once, by one at a time, and without holding the run.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cofferdam_adapters::notify::{Sink, Undelivered};
use cofferdam_core::Notice;
use cofferdam_core::notice::Told;
use cofferdam_engines::fake::{FakeFault, FakePlace};
use cofferdam_runner::courier::{Account, Courier, Opener, Scope, flush, left};

use crate::world::{World, pending, timeless};

/// Long enough for everything but what never ends.
const WITHIN: Duration = Duration::from_secs(600);

/// A receiver that keeps what it takes.
#[derive(Clone, Default)]
struct Receiver {
    taken: Arc<Mutex<Vec<Notice>>>,
    /// So often it refuses first.
    refuses: Arc<Mutex<u32>>,
    hangs: bool,
    id: &'static str,
}

impl Receiver {
    fn new() -> Self {
        Self { id: "webhook", ..Self::default() }
    }

    fn sink(&self) -> Vec<Box<dyn Sink>> {
        vec![Box::new(self.clone())]
    }

    fn kinds(&self) -> Vec<Told> {
        self.taken.lock().unwrap().iter().map(|notice| notice.kind).collect()
    }

    fn ids(&self) -> Vec<String> {
        self.taken.lock().unwrap().iter().map(|notice| notice.id.clone()).collect()
    }
}

#[async_trait]
impl Sink for Receiver {
    fn id(&self) -> &'static str {
        self.id
    }

    fn place(&self) -> String {
        "a test".into()
    }

    async fn deliver(&self, notice: &Notice) -> Result<(), Undelivered> {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
        let mut refuses = self.refuses.lock().unwrap();
        if *refuses > 0 {
            *refuses -= 1;
            return Err(Undelivered("it is down".into()));
        }
        self.taken.lock().unwrap().push(notice.clone());
        Ok(())
    }
}

fn opener(world: &Arc<World>) -> Opener {
    let world = Arc::clone(world);
    Arc::new(move || {
        let world = Arc::clone(&world);
        Box::pin(async move { world.open().await })
    })
}

/// Three migrations: two that are done at once, one that is not.
fn world() -> Arc<World> {
    Arc::new(World::of(vec![
        pending("1", &["together: add column t.c"]),
        pending("2", &["together: add column t.d", "alone: nothing called", "together: add column t.e"]),
        pending("3", &["together: fail no luck"]),
    ]))
}

fn early() -> Scope {
    Scope { by: None, since: "2000-01-01T00:00:00Z".into() }
}

async fn told(world: &Arc<World>, receiver: &Receiver, scope: Scope) -> Account {
    flush(opener(world), receiver.sink(), scope, WITHIN).await.remove(0)
}

#[test]
fn a_run_is_told_beside_it_and_after_it() {
    timeless(async {
        let world = world();
        let receiver = Receiver::new();
        let courier = Courier::start(opener(&world), receiver.sink(), Scope::all());
        tokio::time::sleep(Duration::from_secs(5)).await;
        world.apply().await.unwrap_err();
        let account = courier.finish(WITHIN).await.remove(0);
        let kinds = receiver.kinds();
        use Told::{Began, Finished, RolledBack};
        assert_eq!(kinds, [Began, Finished, Began, Finished, Began, RolledBack]);
        assert_eq!((account.delivered, account.error, account.held), (kinds.len() as u64, None, false));
        let seqs: Vec<i64> = receiver.taken.lock().unwrap().iter().map(|notice| notice.seq).collect();
        assert!(seqs.is_sorted(), "{seqs:?}");
        // What was told is not told again.
        assert_eq!(told(&world, &receiver, early()).await.delivered, 0);
        let hashes: Vec<String> = world.journal().await.into_iter().map(|row| row.hash).collect();
        assert!(receiver.taken.lock().unwrap().iter().all(|notice| hashes.contains(&notice.hash)));
    });
}

#[test]
fn an_event_that_is_not_taken_stays_first_and_is_told_by_whoever_comes_next() {
    timeless(async {
        let world = world();
        world.apply().await.unwrap_err();
        let all = Receiver::new();
        told(&world, &Receiver { id: "slack", ..all.clone() }, early()).await;
        let receiver = Receiver::new();
        *receiver.refuses.lock().unwrap() = 2;
        for round in 1..=2 {
            let account = told(&world, &receiver, early()).await;
            assert_eq!((account.delivered, account.error.as_deref()), (0, Some("it is down")));
            let mut session = world.session().await;
            let mark =
                session.marks().await.unwrap().into_iter().find(|mark| mark.sink == "webhook").unwrap();
            assert_eq!((mark.attempts, mark.error.as_deref()), (round, Some("it is down")));
            let waiting = left(&mut *session, &mark, None).await.unwrap();
            assert_eq!(waiting, all.ids().len() as u64);
        }
        assert_eq!(told(&world, &receiver, early()).await.error, None);
        assert_eq!(receiver.ids(), all.ids());
    });
}

#[test]
fn a_death_between_delivery_and_mark_repeats_one_event_with_its_id() {
    timeless(async {
        let world = world();
        world.apply().await.unwrap_err();
        let whole = Receiver::new();
        told(&world, &Receiver { id: "slack", ..whole.clone() }, early()).await;
        let expected = whole.ids();
        // At every place at which the session is used: whichever is that of the mark is among them.
        for nth in 1..60 {
            let world = self::world();
            world.apply().await.unwrap_err();
            let receiver = Receiver::new();
            world.database.fail_nth(nth, FakeFault::ConnectionLost, FakePlace::Read);
            told(&world, &receiver, early()).await;
            told(&world, &receiver, early()).await;
            let mut seqs: Vec<i64> = receiver.taken.lock().unwrap().iter().map(|notice| notice.seq).collect();
            assert!(seqs.is_sorted(), "{nth}: {seqs:?}");
            assert!(seqs.len() <= expected.len() + 1, "{nth}: {seqs:?}");
            seqs.dedup();
            assert_eq!(seqs.len(), expected.len(), "{nth}: {seqs:?}");
        }
    });
}

#[test]
fn two_that_tell_at_once_tell_each_event_once() {
    timeless(async {
        let world = world();
        let receiver = Receiver::new();
        let first = Courier::start(opener(&world), receiver.sink(), Scope::all());
        let second = Courier::start(opener(&world), receiver.sink(), Scope::all());
        world.apply().await.unwrap_err();
        first.finish(WITHIN).await;
        second.finish(WITHIN).await;
        let mut ids = receiver.ids();
        let all = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!((ids.len(), receiver.kinds().last()), (all, Some(&Told::RolledBack)));
    });
}

#[test]
fn one_that_hangs_holds_neither_the_run_nor_another() {
    timeless(async {
        let world = world();
        let (hangs, well) = (Receiver { hangs: true, id: "slack", ..Receiver::new() }, Receiver::new());
        let sinks: Vec<Box<dyn Sink>> = vec![Box::new(hangs.clone()), Box::new(well.clone())];
        let courier = Courier::start(opener(&world), sinks, Scope::all());
        world.apply().await.unwrap_err();
        let accounts = courier.finish(Duration::from_secs(10)).await;
        assert_eq!((accounts[0].delivered, well.kinds().last()), (0, Some(&Told::RolledBack)));
        // It was let go of: whoever comes next can tell it.
        let mended = Receiver { id: "slack", ..Receiver::new() };
        assert_eq!(told(&world, &mended, Scope::all()).await.error, None);
        assert_eq!(mended.ids(), well.ids());
    });
}

#[test]
fn a_new_place_is_not_told_what_was_long_ago_and_one_object_is_told_its_own_runs() {
    timeless(async {
        let world = world();
        world.apply().await.unwrap_err();
        tokio::time::sleep(Duration::from_millis(5)).await;
        let receiver = Receiver::new();
        // The fake's rows have the clock of the machine, which does not jump.
        let scope = Scope { by: None, since: "2999-01-01T00:00:00Z".into() };
        assert_eq!(told(&world, &receiver, scope).await.delivered, 0);
        let other = Scope { by: Some("cofferdam runner a/b".into()), ..early() };
        assert_eq!(told(&world, &receiver, other).await.delivered, 0);
        let own = Scope { by: Some("tester".into()), ..early() };
        assert!(told(&world, &receiver, own).await.delivered > 0);
    });
}
