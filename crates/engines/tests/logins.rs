//! Passwords that are made for each connection.

#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cofferdam_core::{Code, Fault, Refusal};
use cofferdam_engines::postgres::Postgres;
use cofferdam_engines::{Engine, Logins, Passwords, Target};
use cofferdam_scratch::{Options, Server, find_or_fetch, skipped};

/// Gives the password that the role has now, and counts.
#[derive(Default)]
struct Made {
    asked: Mutex<Vec<String>>,
    count: AtomicU32,
    refuses: bool,
}

#[async_trait]
impl Passwords for Made {
    async fn password(&self, host: &str, port: u16, user: &str) -> Result<String, Fault> {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.asked.lock().unwrap().push(format!("{user}@{host}:{port}"));
        match self.refuses {
            true => Err(Refusal::new(Code::AwsDenied, "no").into()),
            false => Ok("made".to_owned()),
        }
    }
}

#[test]
fn each_connection_has_a_password_of_its_own() {
    let binaries = match find_or_fetch(&mut |_| {}) {
        Ok(binaries) => binaries,
        Err(why) => return skipped("each_connection_has_a_password_of_its_own", &why.to_string()),
    };
    let server = Server::start(&binaries, &Options { tcp: true, ..Options::default() }).unwrap();
    let url = server.create_database("logins").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let target = |made: &Arc<Made>, url: &str| Target {
            url: Some(url.to_owned()),
            logins: Some(Logins(Arc::clone(made) as Arc<dyn Passwords>)),
            ..Target::default()
        };
        let made = Arc::new(Made::default());
        let mut session = Postgres.open(&target(&made, &url)).await.unwrap();
        assert_eq!(made.count.load(Ordering::SeqCst), 1);
        // The look-out is a second connection, made later.
        session.claim(Duration::from_secs(5)).await.unwrap();
        assert_eq!(made.count.load(Ordering::SeqCst), 2);
        let asked = made.asked.lock().unwrap().clone();
        assert!(
            asked.iter().all(|one| one.contains(&format!("@{}:{}", server.host(), server.port()))),
            "{asked:?}"
        );

        let refuses = Arc::new(Made { refuses: true, ..Made::default() });
        let Err(Fault::Refused(refusal)) = Postgres.open(&target(&refuses, &url)).await else {
            unreachable!()
        };
        assert_eq!(refusal.code, Code::AwsDenied);

        // 192.0.2.0/24 is nobody's: nothing is asked, and nothing is sent.
        let made = Arc::new(Made::default());
        let far = "postgres://u@192.0.2.1:1/d?sslmode=disable";
        let Err(Fault::Refused(refusal)) = Postgres.open(&target(&made, far)).await else { unreachable!() };
        assert_eq!((refusal.code, made.count.load(Ordering::SeqCst)), (Code::TlsFailed, 0));
    });
}
