//! The client of Prometheus against a real one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cofferdam_operator::gates::prometheus::{Address, Prometheus};
use cofferdam_scratch::{free_port, skipped};

struct Server {
    process: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Server {
    /// One of its own on loopback, with TLS where a certificate is given. `None`: this machine has none.
    fn start(test: &str, certificate: Option<(&str, &str)>) -> Option<Self> {
        if Command::new("prometheus").arg("--version").output().is_err() {
            skipped(test, "there is no Prometheus: apt-get install prometheus");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            fs::write(folder.path().join(name), text).unwrap();
            folder.path().join(name).display().to_string()
        };
        let port = free_port().unwrap();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", file("prometheus.yml", "")))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        if let Some((certificate, key)) = certificate {
            let (certificate, key) = (file("tls.crt", certificate), file("tls.key", key));
            let web = format!("tls_server_config: {{cert_file: {certificate}, key_file: {key}}}\n");
            command.arg(format!("--web.config.file={}", file("web.yml", &web)));
        }
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Some(Self { process, folder, port })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Asks until there is an answer: the server is just starting.
async fn first(prometheus: &Prometheus) -> Result<Vec<f64>, String> {
    for _ in 0..600 {
        match prometheus.read("vector(1)").await {
            Err(why) if why.contains("refused") || why.contains("503") => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            answer => return answer,
        }
    }
    panic!("it does not start");
}

#[tokio::test]
async fn a_query_gives_values_or_why_there_are_none() {
    let Some(server) = Server::start("a_query_gives_values_or_why_there_are_none", None) else { return };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let address =
        |path: &str| Address { url: format!("http://127.0.0.1:{}{path}", server.port), ..Address::default() };
    let prometheus = Prometheus::new(&address("")).unwrap();
    assert_eq!(first(&prometheus).await, Ok(vec![1.0]));
    for (query, expected) in [
        ("vector(0.05)", Ok(0.05)),
        ("scalar(vector(3))", Ok(3.0)),
        ("-7", Ok(-7.0)),
        ("1/0", Ok(f64::INFINITY)),
        ("vector(1) == 1 or vector(2)", Ok(1.0)),
        ("sum(shop_errors{app=\"a b\"})", Err("no series fits")),
        ("shop_errors[5m]", Err("a matrix")),
        ("\"text\"", Err("a string")),
        ("sum(", Err("Prometheus answered 400: invalid parameter")),
        ("", Err("Prometheus answered 400")),
    ] {
        match (prometheus.read(query).await, expected) {
            (said, Ok(value)) => assert_eq!(said, Ok(vec![value]), "{query}"),
            (said, Err(why)) => assert!(said.clone().unwrap_err().contains(why), "{query}: {said:?}"),
        }
    }
    assert!(prometheus.read("0/0").await.unwrap()[0].is_nan());
    // Another path of that server is no Prometheus, and what it says is not taken for an answer.
    let elsewhere = Prometheus::new(&address("/graph")).unwrap().read("vector(1)").await;
    assert!(elsewhere.unwrap_err().contains("not as Prometheus does"));
    // Nobody is there.
    drop(server);
    assert!(prometheus.read("vector(1)").await.is_err());
}

#[tokio::test]
async fn a_certificate_is_checked() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, secret) = (key.cert.pem(), key.signing_key.serialize_pem());
    let Some(server) = Server::start("a_certificate_is_checked", Some((&certificate, &secret))) else {
        return;
    };
    let ask = |host: &str, authorities: Option<&str>| {
        let ca_file = authorities.map(|name| server.folder.path().join(name));
        Prometheus::new(&Address {
            url: format!("https://{host}:{}", server.port),
            ca_file,
            token_file: None,
        })
    };
    assert_eq!(first(&ask("localhost", Some("tls.crt")).unwrap()).await, Ok(vec![1.0]));
    for (host, authorities) in [("localhost", None), ("127.0.0.1", Some("tls.crt"))] {
        let said = match ask(host, authorities) {
            Ok(prometheus) => prometheus.read("vector(1)").await,
            Err(why) => Err(why),
        };
        assert!(said.clone().unwrap_err().to_lowercase().contains("certificate"), "{host}: {said:?}");
    }
}
