//! Others are at work on the same server: the change goes slower, says so, and comes to its end.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::place::{Place, TABLE, WIDER};
use crate::support::{until, wait};

#[test]
fn others_are_left_time() {
    let place = Place::new("pace", TABLE);
    let stop = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let app = place.app();
            while !stop.load(Ordering::SeqCst) {
                app.both("UPDATE {t} SET n = n + 1 WHERE id = 20");
            }
        });
        let mut command = place.bench.command(&place.alter(WIDER, &["--cutover", "manual"]));
        command.env_remove("COFFERDAM_PLANTED").stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let slower = || place.one("SELECT progress->>'throttled_by' FROM cofferdam.online");
        until("it says that it goes slower", || {
            place.one("SELECT to_regclass('cofferdam.online')") != "NULL"
                && slower().starts_with("others use the server")
        });
        // Somebody is in a hurry.
        place.must(&["throttle", "t", "--pace", "full"]);
        until("it goes at full speed", || slower() == "NULL");
        until("it waits for the cutover", || place.doing() == "waiting for the cutover");
        place.must(&["cutover", "t"]);
        let ended = wait(child);
        stop.store(true, Ordering::SeqCst);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    });
    place.same("after the swap");
    place.rollback();
    place.same("after the swap was taken back");
}
