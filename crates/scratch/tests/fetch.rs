//! The portable build: needs the network the first time, the cache folder after that.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use cofferdam_scratch::{Options, PORTABLE, ScratchError, Server, fetch, skipped};

#[test]
fn the_portable_build_is_fetched_once_and_runs_inside_a_runtime() {
    // Inside a runtime, because that is where the demo calls it from.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let binaries = match fetch(PORTABLE, &mut |_| {}) {
            Ok(binaries) => binaries,
            Err(ScratchError::Fetch { why, .. }) => {
                return skipped("the_portable_build_is_fetched_once_and_runs_inside_a_runtime", &why);
            }
            Err(other) => panic!("{other}"),
        };
        assert_eq!(binaries.version, 180_006);
        let mut lines = 0;
        assert_eq!(fetch(PORTABLE, &mut |_| lines += 1).unwrap(), binaries);
        assert_eq!(lines, 0, "the second time nothing is fetched");
        let server = Server::start(&binaries, &Options::default()).unwrap();
        let rows = server.query("postgres", "CREATE EXTENSION pg_trgm; SHOW server_version_num").unwrap();
        assert_eq!(rows, [[Some("180006".to_owned())]]);
    });
}
