//! Questions and answers as tables, rotation as a model with everything that lags, and the server with a real client.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::certificates::{CA, CA_KEY, Data, Dated, Held, LEAF, LEAF_KEY, pem, provider, trusted};
use super::defaults::defaults;
use super::review::{Request, Review};
use super::rotate::{SETTLED, Step, next};
use super::serve::{Shown, serve};
use super::validate::validate;

const HOST: &str = "cofferdam-webhook.production.svc";

fn names() -> Vec<String> {
    vec![HOST.to_owned(), format!("{HOST}.cluster.local")]
}

fn migration(change: impl FnOnce(&mut Value)) -> Value {
    let mut object = json!({
        "apiVersion": "cofferdam.dev/v1alpha1", "kind": "DatabaseMigration",
        "metadata": { "name": "orders", "namespace": "production" },
        "spec": {
            "database": { "type": "postgresql", "connectionSecret": "db" },
            "migration": { "scripts": [{ "name": "a", "source": "configmap://scripts/a.sql" }] },
        },
    });
    change(&mut object);
    object
}

fn approval(digest: &str, by: Option<&str>) -> Value {
    let mut object = json!({
        "apiVersion": "cofferdam.dev/v1alpha1", "kind": "MigrationApproval", "metadata": { "name": "yes" },
        "spec": { "migrationRef": { "name": "orders" }, "planDigest": digest },
    });
    if let Some(by) = by {
        object["spec"]["approvedBy"] = json!(by);
    }
    object
}

fn asked(operation: &str, object: &Value, old: Option<&Value>) -> Request {
    let kind = object["kind"].as_str().unwrap_or("DatabaseMigration");
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u-1", "kind": { "group": "cofferdam.dev", "version": "v1alpha1", "kind": kind },
            "name": "orders", "operation": operation, "object": object, "oldObject": old, "userInfo": { "username": "alice" },
        },
    });
    serde_json::from_value::<Review>(review).unwrap().request
}

const PLAN: &str = "sha256:9f861b423eb864f312e642d553876b39f18ac080788cb10fbd8f1f62477ffc8a";
const NOTHING: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn what_is_refused_and_what_is_let_through() {
    let fine = migration(|_| {});
    let bad = migration(|m| m["spec"]["database"]["type"] = json!("mongodb"));
    let worse = migration(|m| {
        m["spec"]["database"]["type"] = json!("mongodb");
        m["spec"]["migration"]["strategy"] = json!("rolling");
    });
    let suspended = |m: &Value| {
        let mut m = m.clone();
        m["spec"]["suspend"] = json!(true);
        m
    };
    let labelled = |m: &Value, what: &str, value: Value| {
        let mut m = m.clone();
        m["metadata"][what] = value;
        m
    };
    let unreadable = migration(|m| m["spec"]["migration"]["strategy"] = json!("by-hand"));
    let deleted = |m: &Value| labelled(m, "deletionTimestamp", json!("2026-11-21T10:00:00Z"));
    // What is asked, of what, before: the fields that are refused.
    let cases: &[(&str, &Value, Option<&Value>, &[&str])] = &[
        ("CREATE", &fine, None, &[]),
        ("CREATE", &bad, None, &["spec.database.type"]),
        ("CREATE", &worse, None, &["spec.database.type", "spec.migration.strategy"]),
        ("CREATE", &unreadable, None, &["spec"]),
        ("UPDATE", &bad, Some(&fine), &["spec.database.type"]),
        ("UPDATE", &fine, Some(&bad), &[]),
        // A version that is stricter than the one before.
        ("UPDATE", &suspended(&bad), Some(&bad), &[]),
        ("UPDATE", &worse, Some(&bad), &["spec.migration.strategy"]),
        (
            "UPDATE",
            &labelled(&bad, "finalizers", json!([])),
            Some(&labelled(&bad, "finalizers", json!(["x"]))),
            &[],
        ),
        ("UPDATE", &labelled(&bad, "annotations", json!({ "a": "b" })), Some(&bad), &[]),
        ("UPDATE", &deleted(&bad), Some(&deleted(&fine)), &[]),
        ("UPDATE", &labelled(&unreadable, "labels", json!({ "a": "b" })), Some(&unreadable), &[]),
        ("UPDATE", &suspended(&unreadable), Some(&unreadable), &[]),
        ("UPDATE", &unreadable, Some(&fine), &["spec"]),
        ("DELETE", &Value::Null, Some(&bad), &[]),
        ("CREATE", &approval(PLAN, Some("alice")), None, &[]),
        ("CREATE", &approval(PLAN, None), None, &[]),
        ("CREATE", &approval(PLAN, Some("bob")), None, &["spec.approvedBy"]),
        ("CREATE", &approval(NOTHING, Some("bob")), None, &["spec.planDigest", "spec.approvedBy"]),
        ("CREATE", &approval(&format!("sha256:{}", "0".repeat(64)), None), None, &["spec.planDigest"]),
        ("CREATE", &json!({ "kind": "Secret", "spec": {} }), None, &[]),
    ];
    for (operation, object, old, fields) in cases {
        let request = asked(operation, object, *old);
        let answer = validate(&request);
        let found: Vec<&str> = answer.problems.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(found, *fields, "{operation} {object} {old:?}");
        let told = request.answered(&answer);
        assert_eq!((&told["kind"], &told["response"]["uid"]), (&json!("AdmissionReview"), &json!("u-1")));
        assert_eq!(told["response"]["allowed"], fields.is_empty());
        for field in *fields {
            let message = told["response"]["status"]["message"].as_str().unwrap();
            assert!(message.contains(&format!("{field}: ")), "{message}");
            let details = &told["response"]["status"]["details"];
            assert_eq!((&details["name"], &details["kind"]), (&json!("orders"), &object["kind"]));
        }
    }
}

#[test]
fn what_was_wrong_before_is_warned_of() {
    let bad = migration(|m| m["spec"]["database"]["type"] = json!("mongodb"));
    let mut now = bad.clone();
    now["spec"]["suspend"] = json!(true);
    let answer = validate(&asked("UPDATE", &now, Some(&bad)));
    assert!(answer.warnings[0].starts_with("spec.database.type: "), "{answer:?}");
    // And nothing at all where nothing changes.
    assert!(validate(&asked("UPDATE", &now, Some(&now))).warnings.is_empty());
}

#[test]
fn only_who_approves_is_written_and_never_over_another() {
    let none = approval(PLAN, None);
    let by = |name: &str| approval(PLAN, Some(name));
    for (operation, object, old, written) in [
        ("CREATE", &none, None, Some("alice")),
        ("CREATE", &by("bob"), None, None),
        ("CREATE", &migration(|_| {}), None, None),
        // A manifest without it that takes the place of what was made stays an approval of who made it.
        ("UPDATE", &none, Some(&by("bob")), Some("bob")),
        ("UPDATE", &by("bob"), Some(&by("bob")), None),
        ("UPDATE", &none, Some(&none), None),
        // No object at all: the schema refuses it, and not we.
        ("CREATE", &json!({ "kind": "MigrationApproval", "spec": "x" }), None, None),
        ("CREATE", &json!({ "kind": "MigrationApproval" }), None, None),
    ] {
        let request = asked(operation, object, old);
        let told = request.answered(&defaults(&request));
        assert_eq!(told["response"]["allowed"], true);
        let patch = told["response"]["patch"].as_str().map(|patch| {
            let json = base64::engine::general_purpose::STANDARD.decode(patch).unwrap();
            serde_json::from_slice::<Value>(&json).unwrap()
        });
        let expected =
            written.map(|name| json!([{ "op": "add", "path": "/spec/approvedBy", "value": name }]));
        assert_eq!(patch, expected, "{operation} {object} {old:?}");
        assert_eq!(told["response"]["patchType"] == "JSONPatch", written.is_some());
    }
    let mut long = asked("CREATE", &none, None);
    long.user_info.username = "u".repeat(513);
    assert!(defaults(&long).patch.is_empty());
}

/// Everything that a rotation is about: the Secret, what the apiservers trust, and what the replicas show. Apiservers and
/// replicas may each be as late as they are allowed to be.
struct Model {
    secret: Data,
    published: Vec<Vec<Dated>>,
    /// What apiservers may trust still, and when that was replaced.
    trusted_before: Vec<(Vec<Dated>, Timestamp)>,
    /// What replicas may show still, and when that was replaced.
    shown_before: Vec<(Dated, Timestamp)>,
    now: Timestamp,
    settled_at: Option<Timestamp>,
    steps: Vec<Step>,
}

/// A replica looks every five seconds.
const LOOK: SignedDuration = SignedDuration::from_secs(5);

impl Model {
    fn new(now: Timestamp) -> Self {
        Self {
            secret: Data::new(),
            published: vec![Vec::new(), Vec::new()],
            trusted_before: Vec::new(),
            shown_before: Vec::new(),
            now,
            settled_at: None,
            steps: Vec::new(),
        }
    }

    fn held(&self) -> Held {
        Held::read(&self.secret)
    }

    fn write(&mut self, data: Data) {
        if let Some(leaf) = self.held().leaf {
            self.shown_before.push((leaf.certificate, self.now));
        }
        self.secret = data;
    }

    /// What a leader does at one look. `crashes` after that: it forgets what it saw.
    fn step(&mut self, crashes: bool) -> Step {
        let held = self.held();
        let settled = self
            .settled_at
            .is_some_and(|at| self.now.duration_since(at) >= SignedDuration::try_from(SETTLED).unwrap());
        let step = next(&held, &self.published, &names(), settled, self.now);
        match step {
            Step::Publish | Step::Authority => self.settled_at = None,
            _ => self.settled_at = self.settled_at.or(Some(self.now)),
        }
        match step {
            Step::Rest | Step::Wait => {}
            Step::Authority => self.write(held.with_new_authority(&self.published, self.now).unwrap()),
            Step::Certificate => self.write(held.with_new_leaf(&names(), self.now).unwrap()),
            Step::Forget => self.write(held.without_the_old().unwrap()),
            Step::Publish => {
                for one in &mut self.published {
                    self.trusted_before.push((one.clone(), self.now));
                    *one = held.authorities.clone();
                }
            }
        }
        if crashes {
            self.settled_at = None;
        }
        self.steps.push(step);
        self.check();
        step
    }

    /// Whatever is shown somewhere is trusted everywhere.
    fn check(&self) {
        let late = |at: &Timestamp, by: SignedDuration| self.now.duration_since(*at) <= by;
        let mut shown: Vec<Dated> =
            self.shown_before.iter().filter(|(_, at)| late(at, LOOK)).map(|(one, _)| one.clone()).collect();
        shown.extend(self.held().leaf.map(|leaf| leaf.certificate));
        if shown.is_empty() {
            // A Secret without one: what was shown is shown on.
            shown.extend(self.shown_before.last().map(|(one, _)| one.clone()));
        }
        let settled = SignedDuration::try_from(SETTLED).unwrap();
        let mut trust: Vec<&Vec<Dated>> = self
            .trusted_before
            .iter()
            .filter(|(_, at)| self.now.duration_since(*at) < settled)
            .map(|(one, _)| one)
            .collect();
        trust.extend(&self.published);
        for certificate in &shown {
            for authorities in &trust {
                // Before the first publication nothing is trusted, and nobody was promised anything.
                let promised = !authorities.is_empty();
                assert!(!promised || trusted(certificate, authorities, HOST, self.now), "{:?}", self.steps);
            }
        }
    }

    /// Until nothing is to be done, and nothing will be before something is due.
    fn settle(&mut self, crash_after: Option<usize>) {
        for number in 0..200 {
            let step = self.step(crash_after == Some(number));
            if step == Step::Rest && self.held().authorities.len() == 1 {
                return;
            }
            // While it waits for the replicas, nothing happens at all.
            self.now += SignedDuration::from_secs(if step == Step::Rest { 60 } else { 1 });
        }
        panic!("it does not come to rest: {:?}", self.steps);
    }

    fn done(&self) -> Vec<Step> {
        let mut done = self.steps.clone();
        done.retain(|step| !matches!(step, Step::Rest | Step::Wait));
        done
    }
}

fn settled_model() -> Model {
    let mut model = Model::new("2026-11-21T10:00:00Z".parse().unwrap());
    model.settle(None);
    assert_eq!(model.done(), [Step::Authority, Step::Publish, Step::Certificate]);
    model.steps.clear();
    model
}

fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}

#[test]
fn no_request_is_refused_whatever_happens_to_the_certificates() {
    use Step::{Authority, Certificate, Forget, Publish};
    type Disturb = fn(&mut Model);
    let whole: &[Step] = &[Authority, Publish, Certificate, Forget, Publish];
    let cases: &[(&str, Disturb, &[Step])] = &[
        ("nothing", |_| {}, &[]),
        ("the certificate is due", |m| m.now += days(61), &[Certificate]),
        (
            "the authority is due",
            |m| {
                m.now += days(2432);
                let data = m.held().with_new_leaf(&names(), m.now).unwrap();
                m.secret = data;
                m.now += days(3);
            },
            whole,
        ),
        ("the Secret was emptied", |m| m.write(Data::new()), whole),
        ("the authority's key is gone", |m| drop(m.secret.remove(CA_KEY)), whole),
        (
            "the certificate is gone",
            |m| {
                let mut data = m.secret.clone();
                data.remove(LEAF);
                m.write(data);
            },
            &[Certificate],
        ),
        (
            "its key is another one",
            |m| {
                let other = settled_model().secret[LEAF_KEY].clone();
                let mut data = m.secret.clone();
                data.insert(LEAF_KEY.into(), other);
                m.write(data);
            },
            &[Certificate],
        ),
        (
            "the Secret is rubbish",
            |m| {
                let rubbish =
                    [CA, CA_KEY, LEAF, LEAF_KEY].map(|key| (key.to_owned(), b"\xff rubbish".to_vec()));
                m.write(Data::from(rubbish));
            },
            whole,
        ),
        ("one configuration trusts nobody", |m| m.published[1].clear(), &[Publish]),
        (
            "one configuration trusts somebody else too",
            |m| {
                let other = Held::read(&settled_model().secret).authorities;
                m.published[0].extend(other);
            },
            &[Publish],
        ),
        (
            "the service has another name",
            |m| {
                let old =
                    Held::read(&m.secret).with_new_leaf(&["other.svc".to_owned(), HOST.to_owned()], m.now);
                m.secret = old.unwrap();
            },
            &[Certificate],
        ),
        ("the clock goes back by half an hour", |m| m.now -= SignedDuration::from_mins(30), &[]),
    ];
    for (about, disturb, expected) in cases {
        let mut model = settled_model();
        model.trusted_before.clear();
        disturb(&mut model);
        model.settle(None);
        assert_eq!(model.done(), *expected, "{about}");
        // The operator dies after each of the writes, and another goes on.
        for crash in [0, 1, 2, 6, 12, 14, 24] {
            let mut model = settled_model();
            model.trusted_before.clear();
            disturb(&mut model);
            model.settle(Some(crash));
            assert_eq!(model.done(), *expected, "{about}, a crash after look {crash}");
        }
    }
}

#[test]
fn two_that_think_they_lead_come_to_rest_too() {
    // The other one acts by what it read before: the API takes that only if nobody wrote since, as here it never is
    // for the Secret, and may be for the configurations.
    let mut model = settled_model();
    model.write(Data::new());
    let before = model.held().authorities;
    for _ in 0..40 {
        model.step(false);
        model.now += SignedDuration::from_secs(1);
    }
    // Late, and with an older version: a conflict. It must read again, and then agrees.
    let held = model.held();
    assert_ne!(before, held.authorities);
    assert!(matches!(next(&held, &model.published, &names(), false, model.now), Step::Rest));
    // Both made an authority for a Secret that was gone: the second write wins, and its authority is published.
    model.write(Data::new());
    let one = model.held().with_new_authority(&model.published, model.now).unwrap();
    let two = model.held().with_new_authority(&model.published, model.now).unwrap();
    model.write(one);
    model.step(false);
    model.write(two);
    model.settle(None);
    assert_eq!(model.held().authorities.len(), 1);
}

#[test]
fn a_clock_that_was_wrong_is_got_over() {
    let mut model = settled_model();
    let right = model.now;
    // Ten years too late: everything has expired, and all is made anew.
    model.now += days(4000);
    model.shown_before.clear();
    model.trusted_before.clear();
    let held = model.held();
    assert_eq!(next(&held, &model.published, &names(), true, model.now), Step::Authority);
    model.secret = held.with_new_authority(&model.published, model.now).unwrap();
    // What has expired is not trusted on.
    assert_eq!(model.held().authorities.len(), 1);
    // And right again: what is not valid yet is none.
    assert_eq!(next(&model.held(), &model.published, &names(), true, right), Step::Authority);
}

#[test]
fn pem_is_written_as_it_is_read() {
    let model = settled_model();
    let authorities = model.held().authorities;
    let text = pem(authorities.iter());
    assert_eq!(super::certificates::certificates(text.as_bytes()), authorities);
    assert!(text.lines().all(|line| line.len() <= 64), "{text}");
    assert!(super::certificates::certificates(b"").is_empty());
}

/// A client as the apiserver is one: it trusts the bundle, and calls by the name of the Service.
async fn client(
    trust: &[Dated],
    address: std::net::SocketAddr,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    client_of(trust, address, &[]).await
}

async fn client_of(
    trust: &[Dated],
    address: std::net::SocketAddr,
    protocols: &[&[u8]],
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trust.iter().map(|one| one.der.clone()));
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(HOST).unwrap(), stream).await
}

async fn post(
    stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin),
    path: &str,
    body: &str,
) -> (u16, String) {
    let head = format!("POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if length.is_some_and(|length: usize| body.len() >= length) {
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                return (status, body.to_owned());
            }
        }
        assert!(stream.read_buf(&mut read).await.unwrap() > 0, "closed after {text}");
    }
}

#[tokio::test]
async fn a_real_client_is_answered_before_during_and_after_a_rotation() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shown = Arc::new(Shown::default());
    let (_close, closing) = tokio::sync::watch::channel(false);
    let server = tokio::spawn(serve(listener, shown.clone(), closing));
    let mut model = Model::new(Timestamp::now());
    // Without a certificate there is no connection, and the server goes on.
    assert!(client(&[], address).await.is_err());
    model.settle(None);
    assert!(shown.show(model.held().leaf.as_ref().unwrap()));
    assert!(!shown.show(model.held().leaf.as_ref().unwrap()), "it is the same one");
    // One that says nothing keeps nobody waiting.
    let silent = TcpStream::connect(address).await.unwrap();

    let bad = migration(|m| m["spec"]["database"]["type"] = json!("mongodb"));
    let question = |object: &Value| {
        json!({ "request": { "uid": "7", "kind": { "kind": object["kind"] }, "operation": "CREATE", "object": object,
            "userInfo": { "username": "alice" } } })
        .to_string()
    };
    let mut kept = client(&model.published[0], address).await.unwrap();
    let (status, body) = post(&mut kept, "/validate", &question(&bad)).await;
    assert!(
        status == 200 && body.contains(r#""allowed":false"#) && body.contains("spec.database.type"),
        "{body}"
    );
    let (_, body) = post(&mut kept, "/validate", &question(&migration(|_| {}))).await;
    assert!(body.contains(r#""allowed":true"#), "{body}");
    let (_, body) = post(&mut kept, "/mutate", &question(&approval(PLAN, None))).await;
    assert!(body.contains("JSONPatch"), "{body}");
    assert_eq!(post(&mut kept, "/validate", "{").await.0, 400);
    // The largest that etcd can hold, twice; and what nothing can be.
    let large = migration(|m| m["metadata"]["annotations"] = json!({ "a": "x".repeat(3 << 20) }));
    assert_eq!(post(&mut kept, "/validate", &question(&large)).await.0, 200);

    // Somebody emptied the Secret: a whole rotation, with an apiserver that is always one publication late.
    let first = model.published[0].clone();
    model.write(Data::new());
    let mut late = first.clone();
    for _ in 0..1000 {
        let step = model.step(false);
        if let Some(leaf) = &model.held().leaf {
            shown.show(leaf);
        }
        if !matches!(step, Step::Rest | Step::Wait) {
            for trust in [&late, &model.published[0]] {
                let mut stream = client(trust, address).await.unwrap();
                assert_eq!(post(&mut stream, "/validate", &question(&bad)).await.0, 200);
            }
        }
        if matches!(step, Step::Wait) {
            late = model.published[0].clone();
        }
        if step == Step::Forget {
            break;
        }
        model.now += SignedDuration::from_secs(1);
    }
    assert_eq!(model.done().last(), Some(&Step::Forget));
    // The connection of before is one still; a client that knows the first authority alone is none any more.
    assert_eq!(post(&mut kept, "/validate", &question(&bad)).await.0, 200);
    assert!(client(&first, address).await.is_err());
    drop(silent);
    server.abort();
}

/// Asks again and again on one connection. How often it was answered until it was told that nothing more is heard.
async fn asks_until_told(
    address: std::net::SocketAddr,
    trust: Vec<Dated>,
    question: String,
    answers: Arc<AtomicUsize>,
) -> usize {
    let stream = client_of(&trust, address, &[b"h2"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    for answered in 0.. {
        let heard = async {
            client = client.clone().ready().await?;
            let request = format!("https://{HOST}/validate");
            let request = axum::http::Request::post(request).body(()).unwrap();
            let (response, mut body) = client.send_request(request, false)?;
            body.send_data(question.clone().into(), true)?;
            let mut answer = response.await?.into_body();
            let mut text = Vec::new();
            while let Some(part) = answer.data().await {
                text.extend_from_slice(&part?);
            }
            Ok::<_, h2::Error>(text)
        };
        match heard.await {
            Ok(text) => {
                assert!(String::from_utf8_lossy(&text).contains(r#""allowed":true"#));
                if answered == 0 {
                    answers.fetch_add(1, Ordering::SeqCst);
                }
            }
            // This alone an apiserver asks of somebody else.
            Err(error) => {
                assert!(error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR), "{error:?}");
                return answered;
            }
        }
    }
    unreachable!()
}

#[tokio::test]
async fn a_client_that_asks_all_the_time_gets_an_answer_or_a_farewell() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shown = Arc::new(Shown::default());
    let (close, closing) = tokio::sync::watch::channel(false);
    let server = tokio::spawn(serve(listener, shown.clone(), closing));
    let mut model = Model::new(Timestamp::now());
    model.settle(None);
    shown.show(model.held().leaf.as_ref().unwrap());
    let question =
        json!({ "request": { "uid": "7", "kind": { "kind": "DatabaseMigration" }, "operation": "CREATE",
        "object": migration(|_| {}), "userInfo": { "username": "alice" } } })
        .to_string();
    let answers = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let trust = model.published[0].clone();
            tokio::spawn(asks_until_told(address, trust, question.clone(), answers.clone()))
        })
        .collect();
    // One that is in the middle of its question.
    let slow = client_of(&model.published[0], address, &[b"h2"]).await.unwrap();
    let (mut slow, connection) = h2::client::handshake(slow).await.unwrap();
    tokio::spawn(connection);
    let request = axum::http::Request::post(format!("https://{HOST}/validate")).body(()).unwrap();
    let (response, mut body) = slow.send_request(request, false).unwrap();
    let (first, last) = question.split_at(question.len() / 2);
    body.send_data(first.to_owned().into(), false).unwrap();
    // Each of the others has had an answer by then.
    while answers.load(Ordering::SeqCst) < clients.len() {
        assert!(!clients.iter().any(tokio::task::JoinHandle::is_finished), "one has ended too early");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    close.send(true).unwrap();
    for client in clients {
        assert!(client.await.unwrap() > 0);
    }
    assert!(!server.is_finished(), "nobody waits for the one in the middle of its question");
    body.send_data(last.to_owned().into(), true).unwrap();
    assert_eq!(response.await.unwrap().status(), 200);
    // And all of it is over.
    server.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
