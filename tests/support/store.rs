//! Servers of object stores: real ones, each a process of this machine that goes with its value.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{io, thread};

use cofferdam_scratch::skipped;

/// The bucket that each of them has.
pub const BUCKET: &str = "backups";
const ACCESS: &str = "cofferdam-tests";
const SECRET: &str = "canary-of-a-secret-key";
/// The account that the server for Azure always has, with the key that its documentation gives.
const ACCOUNT: &str = "devstoreaccount1";
const ACCOUNT_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A pair of keys that the tests of age use.
pub const PUBLIC: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
pub const IDENTITY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";

/// Which kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    S3,
    Azure,
    Google,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::S3, Kind::Azure, Kind::Google];

    pub fn word(self) -> &'static str {
        match self {
            Kind::S3 => "s3",
            Kind::Azure => "azure",
            Kind::Google => "google",
        }
    }

    /// The variable that names its program, and what the program is called.
    fn program(self) -> (&'static str, &'static str) {
        match self {
            Kind::S3 => ("VERSITYGW", "the S3 server versitygw"),
            Kind::Azure => ("AZURITE", "Azurite"),
            Kind::Google => ("FAKE_GCS", "fake-gcs-server"),
        }
    }
}

/// A store, reached by a door that counts what goes in.
pub struct Store {
    pub kind: Kind,
    folder: tempfile::TempDir,
    program: PathBuf,
    port: u16,
    child: Mutex<Option<Child>>,
    /// Where clients go.
    host: String,
    door: u16,
    /// So many bytes came in from clients.
    came: Arc<AtomicU64>,
    behind: Arc<AtomicU16>,
    /// The connections of clients.
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Store {
    /// `None`, and the test is skipped: its program is not here.
    pub fn start(kind: Kind, test: &str) -> Option<Self> {
        Self::at(kind, test, "127.0.0.1")
    }

    /// One that is reached under this address of the machine.
    pub fn at(kind: Kind, test: &str, host: &str) -> Option<Self> {
        let (variable, called) = kind.program();
        let Some(program) = std::env::var_os(variable).filter(|v| !v.is_empty()).map(PathBuf::from) else {
            skipped(
                test,
                &format!("{called} is not here: cargo xtask test makes it and says so in {variable}"),
            );
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind((host, 0)).unwrap();
        let door = listener.local_addr().unwrap().port();
        let (came, behind) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU16::new(0)));
        let (counted, port) = (Arc::clone(&came), Arc::clone(&behind));
        let open = Arc::new(Mutex::new(Vec::new()));
        let opened = Arc::clone(&open);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A server that is down refuses, and so does its door.
                let Ok(server) = TcpStream::connect(("127.0.0.1", port.load(Ordering::SeqCst))) else {
                    continue;
                };
                opened.lock().unwrap().extend(client.try_clone());
                join(&client, &server, &counted);
            }
        });
        let store = Self {
            kind,
            folder,
            program,
            port: cofferdam_scratch::free_port().unwrap(),
            child: Mutex::new(None),
            host: host.to_owned(),
            door,
            came,
            behind,
            open,
        };
        store.up();
        store.make_bucket();
        Some(store)
    }

    /// Starts the server, with what it had.
    pub fn up(&self) {
        self.behind.store(self.port, Ordering::SeqCst);
        if self.child.lock().unwrap().is_some() {
            return;
        }
        let data = self.folder.path().join("data");
        std::fs::create_dir_all(data.join(BUCKET)).unwrap();
        let aside = self.folder.path().join("aside");
        std::fs::create_dir_all(&aside).unwrap();
        let (port, data) = (self.port.to_string(), data.to_str().unwrap());
        let mut command = Command::new(&self.program);
        match self.kind {
            Kind::S3 => command
                .args(["--port", &format!("127.0.0.1:{port}"), "posix", "--sidecar"])
                .arg(&aside)
                .arg(data)
                .env("ROOT_ACCESS_KEY", ACCESS)
                .env("ROOT_SECRET_KEY", SECRET),
            Kind::Azure => command
                .args([
                    "blob",
                    "--blobHost",
                    "127.0.0.1",
                    "--blobPort",
                    &port,
                    "--skipApiVersionCheck",
                    "--silent",
                ])
                .args(["--disableTelemetry", "--location"])
                .arg(&aside),
            Kind::Google => command.args(["serve", &port, data]).arg(self.account("account")),
        };
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let child = command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        *self.child.lock().unwrap() = Some(child);
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(began.elapsed() < Duration::from_secs(60), "{:?} does not listen\n{}", self.kind, log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// As if its power had failed. Azurite writes its catalog only every few seconds and would forget its containers, as
    /// no real store does: it is cut off in place of being killed.
    pub fn down(&self) {
        match self.kind {
            Kind::S3 | Kind::Google => self.end(),
            Kind::Azure => {
                self.behind.store(0, Ordering::SeqCst);
                for client in self.open.lock().unwrap().drain(..) {
                    let _ = client.shutdown(Shutdown::Both);
                }
            }
        }
    }

    fn end(&self) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// So many bytes came in from clients by now.
    pub fn came(&self) -> u64 {
        self.came.load(Ordering::SeqCst)
    }

    /// A place in the bucket.
    pub fn url(&self) -> String {
        self.in_bucket(BUCKET)
    }

    /// A place in a bucket of this name.
    pub fn in_bucket(&self, bucket: &str) -> String {
        let scheme = match self.kind {
            Kind::S3 => "s3",
            Kind::Azure => "az",
            Kind::Google => "gs",
        };
        format!("{scheme}://{bucket}/shop/nightly")
    }

    /// The variables of the credentials.
    pub fn variables(&self) -> Vec<(String, String)> {
        self.with_key(&match self.kind {
            Kind::S3 => SECRET.to_owned(),
            Kind::Azure => ACCOUNT_KEY.to_owned(),
            Kind::Google => self.account("account"),
        })
    }

    /// The same with a key that is none.
    pub fn wrong_key(&self) -> Vec<(String, String)> {
        self.with_key(&match self.kind {
            Kind::S3 => "canary-of-a-wrong-key".to_owned(),
            Kind::Azure => "Y2FuYXJ5LW9mLWEtd3Jvbmcta2V5".to_owned(),
            Kind::Google => self.account("other"),
        })
    }

    fn with_key(&self, key: &str) -> Vec<(String, String)> {
        let endpoint = format!("http://{}:{}", self.host, self.door);
        let pairs: Vec<(&str, String)> = match self.kind {
            Kind::S3 => vec![
                ("AWS_ENDPOINT", endpoint),
                ("AWS_ALLOW_HTTP", "true".into()),
                ("AWS_REGION", "us-east-1".into()),
                ("AWS_ACCESS_KEY_ID", ACCESS.into()),
                ("AWS_SECRET_ACCESS_KEY", key.into()),
            ],
            Kind::Azure => vec![
                ("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT.into()),
                ("AZURE_STORAGE_ACCOUNT_KEY", key.into()),
                ("AZURE_STORAGE_ENDPOINT", format!("{endpoint}/{ACCOUNT}")),
                ("AZURE_ALLOW_HTTP", "true".into()),
            ],
            Kind::Google => vec![
                ("GOOGLE_BASE_URL", endpoint),
                ("GOOGLE_ALLOW_HTTP", "true".into()),
                ("GOOGLE_SERVICE_ACCOUNT", key.into()),
            ],
        };
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The file of a service account of Google's kind, with a key of its own, made where it is not there.
    fn account(&self, name: &str) -> String {
        let file = self.folder.path().join(format!("{name}.json"));
        if !file.exists() {
            let made = Command::new(&self.program).arg("account").arg(&file).output().unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        file.to_str().unwrap().to_owned()
    }

    /// Where a folder is not enough.
    fn make_bucket(&self) {
        if self.kind == Kind::Azure {
            let port = self.port.to_string();
            let made = Command::new(&self.program).args(["container", &port, BUCKET]).output().unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.end();
    }
}

fn join(client: &TcpStream, server: &TcpStream, came: &Arc<AtomicU64>) {
    let counted = Some(Arc::clone(came));
    for (from, to, counted) in [(client, server, counted), (server, client, None)] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        thread::spawn(move || {
            let _ = copy(&mut from, &mut to, counted.as_deref());
            let _ = to.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
        });
    }
}

fn copy(from: &mut impl io::Read, to: &mut impl io::Write, counted: Option<&AtomicU64>) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..read])?;
        if let Some(counted) = counted {
            counted.fetch_add(read as u64, Ordering::SeqCst);
        }
    }
}
