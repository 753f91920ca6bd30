//! What runs tell, against a real Pushgateway.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cofferdam_adapters::metrics::{Group, Pushgateway, Told};
use cofferdam_core::figures::Figures;
use cofferdam_scratch::{free_port, skipped};

struct Server(Child, u16);

impl Server {
    /// One of its own on loopback. `None`: this machine has none.
    fn start(test: &str) -> Option<Self> {
        let program = ["prometheus-pushgateway", "pushgateway"]
            .into_iter()
            .find(|name| Command::new(name).arg("--version").output().is_ok());
        let Some(program) = program else {
            skipped(test, "there is no Pushgateway: apt-get install prometheus-pushgateway");
            return None;
        };
        let port = free_port().unwrap();
        let child = Command::new(program)
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Server(child, port);
        for _ in 0..600 {
            if server.text().is_some() {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        panic!("it does not start");
    }

    /// What Prometheus would read of it.
    fn text(&self) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.1)).ok()?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\nhost: p\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.starts_with("HTTP/1.0 200").then_some(text)
    }

    fn lines(&self) -> Vec<String> {
        let text = self.text().unwrap();
        let ours = text.lines().filter(|line| line.starts_with("cofferdam_"));
        ours.map(str::to_owned).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn told(result: &str, figures: Figures) -> Told {
    Told {
        result: result.into(),
        reason: "Because".into(),
        seconds: Some(2.5),
        ended: 1_800_000_000,
        figures,
    }
}

#[tokio::test]
async fn a_run_is_told_and_the_next_one_replaces_it() {
    let Some(server) = Server::start("a_run_is_told_and_the_next_one_replaces_it") else { return };
    let gateway = Pushgateway::new(&format!("http://127.0.0.1:{}", server.1)).unwrap();
    let group =
        |migration: &str| Group::new([("namespace", "shop".to_owned()), ("migration", migration.to_owned())]);
    let all = Figures { rows: 7, largest_lag: Some(9), throttled_ms: Some(1_500), lock_ms: Some(40) };
    gateway.push(&group("orders"), &told("Succeeded", all)).await.unwrap();
    gateway.push(&group("a/b ü"), &told("RolledBack", Figures::default())).await.unwrap();
    let orders = r#"instance="",job="cofferdam",migration="orders",namespace="shop""#;
    for line in [
        format!("cofferdam_last_run_info{{{},reason=\"Because\",result=\"Succeeded\"}} 1", orders),
        format!("cofferdam_last_run_rows{{{orders}}} 7"),
        format!("cofferdam_last_run_largest_lag_keys{{{orders}}} 9"),
        format!("cofferdam_last_run_throttled_seconds{{{orders}}} 1.5"),
        format!("cofferdam_last_run_cutover_lock_seconds{{{orders}}} 0.04"),
        format!("cofferdam_last_run_duration_seconds{{{orders}}} 2.5"),
        r#"cofferdam_last_run_rolled_back{instance="",job="cofferdam",migration="a/b ü",namespace="shop"} 1"#
            .into(),
    ] {
        assert!(server.lines().contains(&line), "{line}\n{:#?}", server.lines());
    }
    // Of the run before nothing is left, also where the next one knows less.
    gateway.push(&group("orders"), &told("Failed", Figures::default())).await.unwrap();
    let lines = server.lines();
    let about = |name: &str| lines.iter().filter(|l| l.starts_with(name) && l.contains(orders)).count();
    assert_eq!((about("cofferdam_last_run_info"), about("cofferdam_last_run_cutover_lock_seconds")), (1, 0));
    assert!(lines.iter().any(|line| line.contains("result=\"Failed\"")), "{lines:#?}");
}

#[tokio::test]
async fn who_does_not_take_it_is_named() {
    let group = Group::new([("namespace", "shop".to_owned())]);
    // A port that nobody is given.
    let gateway = Pushgateway::new("http://127.0.0.1:1").unwrap();
    let why = gateway.push(&group, &told("Failed", Figures::default())).await.unwrap_err();
    assert!(why.contains("refused"), "{why}");
    // One that sends us on, and one that says no.
    for (answer, words) in [
        ("HTTP/1.1 302 Found\r\nlocation: http://elsewhere/\r\ncontent-length: 0\r\n\r\n", "302"),
        ("HTTP/1.1 400 Bad Request\r\ncontent-length: 5\r\n\r\nno\x1b[m", "400 Bad Request: no[m"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 65536]);
            stream.write_all(answer.as_bytes()).unwrap();
            let mut rest = Vec::new();
            let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
            let _ = stream.read_to_end(&mut rest);
        });
        let gateway = Pushgateway::new(&format!("http://{address}")).unwrap();
        let why = gateway.push(&group, &told("Failed", Figures::default())).await.unwrap_err();
        assert!(why.contains(words), "{why}");
        server.join().unwrap();
    }
}
