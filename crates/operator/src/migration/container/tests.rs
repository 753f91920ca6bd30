use serde_json::{Value, json};

use cofferdam_api::{Phase, Reason};

use super::*;
use crate::migration::build;
use crate::migration::decide::decide;
use crate::migration::report::Report;
use crate::migration::tests::{decided, migration, said, seen, settings};
use crate::outcome::{Ended, Login};

fn container() -> Seen {
    seen(migration(|m| {
        m["spec"]["migration"] = json!({ "container": {
            "image": "registry.example/orders:2", "command": ["alembic"], "args": ["upgrade", "head"],
            "env": [{ "name": "NODE_ENV", "value": "production" }, { "name": "HOME", "value": "/work" }],
            "signal": { "table": "alembic_version", "column": "version_num", "value": "27c6" },
        } });
    }))
}

fn prepared(login: Login) -> Outcome {
    let mut outcome = Outcome::new(Ended::Prepared, Reason::MigrationInProgress, "to be started");
    outcome.login = Some(Box::new(login));
    outcome
}

fn parts() -> Login {
    Login {
        keys: vec!["username".into(), "password".into(), "ca.crt".into()],
        plain_database: true,
        ..Login::default()
    }
}

impl Seen {
    /// Our runner has said that the container may start, and its Job is made.
    fn with_container(self) -> Self {
        self.started().left(&prepared(parts())).started()
    }

    /// With a Pod of the newest Job, our container and theirs in these states.
    fn pair(self, ours: Value, theirs: Value) -> Self {
        let mut seen = self.pod(theirs);
        let pod = seen.pods.last_mut().unwrap();
        let labels = [(COMPONENT.to_owned(), THEIRS.to_owned())];
        pod.metadata.labels = Some(labels.into());
        let status = pod.status.as_mut().unwrap();
        let first = json!([{
            "name": "preflight", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": ours,
        }]);
        status.init_container_statuses = Some(serde_json::from_value(first).unwrap());
        seen
    }

    /// The Job has failed with this exit code and these words.
    fn failed(self, code: i32, reason: &str, lines: &str) -> Self {
        let theirs = json!({ "terminated": { "exitCode": code, "reason": reason, "message": lines } });
        self.pair(well(), theirs).over("Failed", "BackoffLimitExceeded")
    }

    fn over(mut self, condition: &str, reason: &str) -> Self {
        self.pods.last_mut().unwrap().status.as_mut().unwrap().phase = Some("Failed".into());
        self.ended(condition, reason, "")
    }

    fn left_of_last(&self) -> Left {
        left(self, last(self).unwrap())
    }
}

fn well() -> Value {
    json!({ "terminated": { "exitCode": 0 } })
}

fn waiting() -> Value {
    json!({ "waiting": { "reason": "PodInitializing" } })
}

#[test]
fn three_jobs_follow_one_another() {
    let first = container();
    assert_eq!(said(&first), (Phase::Pending, Reason::JobPending, Some(Kind::Apply)));
    let second = first.started().left(&prepared(parts()));
    assert_eq!(said(&second), (Phase::Pending, Reason::JobPending, Some(Kind::Container)));
    let work = decided(&second).start.unwrap();
    assert_eq!(work.login, Some(parts()));
    assert_eq!(work.left, None);
    // Decided again before the Job is seen: the same Job.
    assert_eq!(decided(&second).start.unwrap().job_name(&second.migration), work.job_name(&second.migration));

    let ended = second.started().failed(1, "Error", "no such table");
    assert_eq!(said(&ended), (Phase::Pending, Reason::JobPending, Some(Kind::Apply)));
    let work = decided(&ended).start.unwrap();
    let left = work.left.unwrap();
    assert_eq!(
        (left.how, left.exit_code, left.lines.as_deref()),
        (How::Failed, Some(1), Some("no such table"))
    );

    // Our runner was told, and what it says counts.
    let told = ended.started();
    assert_eq!(unheard(&told), None);
    assert_eq!(said(&told).2, None);
    let stuck = Outcome::new(Ended::Stuck, Reason::JobFailed, "see what it did");
    assert_eq!(said(&told.clone().left(&stuck)), (Phase::Failed, Reason::JobFailed, None));
    let done = Outcome::new(Ended::Succeeded, Reason::MigrationComplete, "the signal says so");
    assert_eq!(said(&told.clone().left(&done)), (Phase::Succeeded, Reason::MigrationComplete, None));
    // It was stopped: another one is told the same.
    let stopped = Outcome::new(Ended::Stopped, Reason::PodEvicted, "");
    let again = decided(&told.clone().left(&stopped)).start.unwrap();
    assert_eq!((again.kind, again.left.map(|left| left.job)), (Kind::Apply, Some(left.job)));
    // Where the container was never started it may be; and not for ever.
    let mut kept = told.left(&prepared(parts()));
    for _ in 1..TRIES {
        assert_eq!(said(&kept).2, Some(Kind::Container));
        let closed = json!({ "terminated": { "exitCode": 130, "message": "spec" } });
        kept = kept.started().pair(closed, waiting()).over("Failed", "PodFailurePolicy");
        kept = kept.started().left(&prepared(parts()));
    }
    assert_eq!(said(&kept), (Phase::Failed, Reason::JobFailed, None));
    assert!(decided(&kept).message.contains("cofferdam.dev/retry"));
}

#[test]
fn one_that_is_done_already_is_never_started() {
    let done = Outcome::new(Ended::Succeeded, Reason::MigrationComplete, "already");
    let seen = container().started().left(&done);
    assert_eq!(said(&seen), (Phase::Succeeded, Reason::MigrationComplete, None));
    assert_eq!(last(&seen), None);
    // What the first runner had to say is lost: that it ended well does not say that the container was started.
    let lost = container().started().ended("Complete", "", "");
    assert_eq!(said(&lost), (Phase::Pending, Reason::JobPending, Some(Kind::Apply)));
}

#[test]
fn an_approval_goes_from_job_to_job() {
    let plan = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let mut seen = container().started();
    let annotations = seen.jobs[0].metadata.annotations.as_mut().unwrap();
    annotations.insert(work::APPROVED.into(), plan.into());
    let seen = seen.left(&prepared(parts()));
    assert_eq!(decided(&seen).start.unwrap().approved.as_deref(), Some(plan));
    let seen = seen.started().failed(1, "Error", "");
    assert_eq!(decided(&seen).start.unwrap().approved.as_deref(), Some(plan));
}

#[test]
fn how_it_ended_is_told() {
    let at_work = || container().with_container();
    let ended = |code: i32, message: &str| json!({ "terminated": { "exitCode": code, "message": message } });
    let guard = Outcome::new(Ended::Stopped, Reason::PodEvicted, "the spec was changed").text();
    let deadline = at_work().ended("Failed", "DeadlineExceeded", "");
    let complete = at_work().pair(well(), ended(0, "")).over("Complete", "");
    let gone = at_work().ended("Failed", "BackoffLimitExceeded", "");
    for (seen, how, reason, lines) in [
        (complete, How::Complete, None, None),
        (at_work().failed(137, "OOMKilled", ""), How::Failed, Some("OOMKilled"), Some("")),
        (at_work().failed(1, "Error", "a\nb\n"), How::Failed, Some("Error"), Some("a\nb")),
        (deadline, How::Failed, Some("DeadlineExceeded"), None),
        // Its Pod is gone: nobody knows.
        (gone, How::Failed, Some("BackoffLimitExceeded"), None),
        (
            at_work().pair(ended(130, &guard), waiting()).over("Failed", "PodFailurePolicy"),
            How::Never,
            Some("PodFailurePolicy"),
            Some("the spec was changed"),
        ),
    ] {
        let left = seen.left_of_last();
        assert_eq!(
            (left.how, left.reason.as_deref(), left.lines.as_deref()),
            (how, reason, lines),
            "{left:?}"
        );
    }
    // Two Pods failed and one is known: what the other did is not.
    let mut seen = at_work().pair(ended(130, &guard), waiting()).over("Failed", "PodFailurePolicy");
    seen.jobs.last_mut().unwrap().status.as_mut().unwrap().failed = Some(2);
    assert_eq!(seen.left_of_last().how, How::Failed);
    let long = at_work().failed(1, "Error", &"ä".repeat(3000));
    assert!(long.left_of_last().lines.unwrap().len() <= LINES);
}

#[test]
fn while_it_is_at_work() {
    let at_work = || container().with_container();
    let pulling = json!({ "waiting": { "reason": "ImagePullBackOff", "message": "no such tag" } });
    for (seen, phase, reason, about) in [
        (at_work(), Phase::Pending, Reason::JobPending, "no Pod yet"),
        (at_work().pair(pulling.clone(), waiting()), Phase::Pending, Reason::ImagePullFailed, "no such tag"),
        (
            at_work().pair(json!({ "running": {} }), waiting()),
            Phase::Pending,
            Reason::MigrationInProgress,
            "way",
        ),
        (at_work().pair(well(), pulling), Phase::Pending, Reason::ImagePullFailed, "no such tag"),
        (
            at_work().pair(well(), json!({ "running": {} })),
            Phase::Running,
            Reason::MigrationInProgress,
            "registry.example/orders:2 is at work",
        ),
        (at_work().pair(well(), well()), Phase::Running, Reason::MigrationInProgress, "has ended"),
    ] {
        let decision = decided(&seen);
        assert_eq!((decision.phase, decision.reason, decision.start), (phase, reason, None), "{about}");
        assert!(decision.message.contains(about), "{}", decision.message);
    }
    // Another spec: what never began is removed, what began is waited for.
    let other =
        |m: &mut Value| m["spec"]["migration"]["container"]["image"] = json!("registry.example/orders:3");
    assert!(decided(&at_work().pair(well(), waiting()).with(other)).stop.is_some());
    assert_eq!(decided(&at_work().pair(well(), json!({ "running": {} })).with(other)).stop, None);
}

#[test]
fn a_pod_of_a_job_that_is_gone_is_waited_for() {
    let other =
        |m: &mut Value| m["spec"]["migration"]["container"]["image"] = json!("registry.example/orders:3");
    let mut seen = container().with_container().pair(well(), json!({ "running": {} })).with(other);
    seen.jobs.clear();
    assert_eq!(said(&seen), (Phase::Pending, Reason::JobPending, None));
    assert!(decided(&seen).message.contains("kubectl delete pod pod-1"), "{}", decided(&seen).message);
    seen.pods.last_mut().unwrap().status.as_mut().unwrap().phase = Some("Failed".into());
    assert_eq!(said(&seen).2, Some(Kind::Apply));
}

#[test]
fn time_that_is_over_takes_nothing_back() {
    let outcome = Outcome::new(Ended::Stuck, Reason::DeadlineExceeded, "see what it did");
    let seen = container().with_container().ended("Failed", "DeadlineExceeded", "").started().left(&outcome);
    assert_eq!(said(&seen), (Phase::Failed, Reason::DeadlineExceeded, None));
}

#[test]
fn the_status_names_the_version_that_is_wanted() {
    let seen = container();
    let report = Report::of(&seen.migration, &decide(&seen).unwrap(), seen.now);
    assert_eq!(report.desired_version.as_deref(), Some("27c6"));
}

/// The Job as the apiserver gets it, with this Secret.
fn job(login: &Login, change: impl FnOnce(&mut Value)) -> Value {
    let seen = container().with(change).started().left(&prepared(login.clone()));
    let work = decided(&seen).start.unwrap();
    serde_json::to_value(build::job(&seen.migration, &work, &settings()).unwrap()).unwrap()
}

/// The variables of the user's container, `NAME=VALUE`, or `NAME<SECRET/KEY`.
fn variables(job: &Value) -> Vec<String> {
    let env = job["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    env.iter()
        .map(|v| match v.get("valueFrom") {
            Some(from) => {
                let key = &from["secretKeyRef"];
                format!("{}<{}/{}", text(&v["name"]), text(&key["name"]), text(&key["key"]))
            }
            None => format!("{}={}", text(&v["name"]), text(&v["value"])),
        })
        .collect()
}

#[test]
fn the_user_s_container_has_no_token_and_no_secret_in_its_spec() {
    let job = job(&parts(), |_| {});
    let pod = &job["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    let (ours, theirs) = (&pod["initContainers"][0], &pod["containers"][0]);
    let mounts = |container: &Value| -> Vec<String> {
        let mounts = container["volumeMounts"].as_array().cloned().unwrap_or_default();
        mounts.iter().map(|m| m["mountPath"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(mounts(theirs), ["/tmp", "/cofferdam/tls"]);
    assert_eq!(mounts(ours), ["/cofferdam/database", "/var/run/secrets/kubernetes.io/serviceaccount"]);
    assert_eq!(ours["args"], json!(["runner", "--work", "container"]));
    assert_eq!((&theirs["command"], &theirs["args"]), (&json!(["alembic"]), &json!(["upgrade", "head"])));
    assert_eq!(theirs["terminationMessagePolicy"], "FallbackToLogsOnError");
    for container in [ours, theirs] {
        let context = &container["securityContext"];
        assert_eq!(context["readOnlyRootFilesystem"], true);
        assert_eq!(context["allowPrivilegeEscalation"], false);
        assert_eq!(context["capabilities"]["drop"], json!(["ALL"]));
        assert!(container["resources"]["limits"]["memory"].is_string());
    }
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    assert!(
        pod["volumes"].as_array().unwrap().iter().any(|v| v["name"] == "tmp" && v["emptyDir"].is_object())
    );
}

#[test]
fn it_is_started_once_unless_it_may_run_twice() {
    let once = job(&parts(), |_| {});
    assert_eq!(
        (&once["spec"]["backoffLimit"], &once["spec"]["completionMode"]),
        (&json!(0), &json!("NonIndexed"))
    );
    assert_eq!(once["spec"]["podFailurePolicy"]["rules"].as_array().unwrap().len(), 1);
    let more = job(&parts(), |m| {
        let container = &mut m["spec"]["migration"]["container"];
        (container["idempotent"], container["backoffLimit"]) = (json!(true), json!(3));
        container["parallelism"] = json!(4);
        m["spec"]["runner"] = json!({ "activeDeadlineSeconds": 600 });
    });
    let spec = &more["spec"];
    assert_eq!((&spec["backoffLimit"], &spec["completionMode"]), (&json!(3), &json!("Indexed")));
    assert_eq!((&spec["parallelism"], &spec["completions"]), (&json!(4), &json!(4)));
    assert_eq!(spec["activeDeadlineSeconds"], 600);
    assert_eq!(spec["podFailurePolicy"]["rules"][0]["action"], "Ignore");
}

#[test]
fn the_variables_are_made_from_what_the_secret_has() {
    let always = ["TMPDIR=/tmp", "NODE_ENV=production", "HOME=/work"];
    let url = |login: &str, database: &str| {
        format!("DATABASE_URL=postgresql://{login}$(PGHOST):$(PGPORT)/{database}?sslmode=verify-full")
    };
    let pg = |host: &str, port: &str, database: &str| {
        vec![
            format!("PGHOST{host}"),
            format!("PGPORT{port}"),
            format!("PGDATABASE{database}"),
            "PGUSER<db/username".into(),
            "PGPASSWORD<db/password".into(),
        ]
    };
    let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
    let verified = |file: &str| vec!["PGSSLMODE=verify-full".to_owned(), format!("PGSSLROOTCERT={file}")];
    // A login that may not stand in a URL is not in it.
    let mut expected = pg("=db.shop.svc", "=5432", "=shop");
    expected.push(url("", "$(PGDATABASE)"));
    expected.extend(verified("/cofferdam/tls/ca.crt"));
    expected.extend(always.map(str::to_owned));
    assert_eq!(variables(&job(&parts(), |_| {})), expected);
    // One that may; and what the spec does not say comes from the Secret.
    let login = Login {
        keys: keys(&["username", "password", "host", "port", "database"]),
        plain_login: true,
        plain_database: true,
        ..Login::default()
    };
    let mut expected = pg("<db/host", "<db/port", "<db/database");
    expected.push(url("$(PGUSER):$(PGPASSWORD)@", "$(PGDATABASE)"));
    expected.extend(verified("system"));
    expected.extend(always.map(str::to_owned));
    let without = |m: &mut Value| {
        let database = m["spec"]["database"].as_object_mut().unwrap();
        database.remove("host");
        database.remove("database");
    };
    assert_eq!(variables(&job(&login, without)), expected);
    // A whole URL.
    let login = Login { url: Some("dsn".into()), keys: keys(&["url"]), ..Login::default() };
    let found = variables(&job(&login, |m| {
        m["spec"]["database"] = json!({
            "type": "postgresql", "connection": { "urlSecretRef": { "name": "whole", "key": "dsn" } },
            "tls": { "mode": "disable" },
        });
    }));
    assert_eq!(found[..2], ["DATABASE_URL<whole/dsn", "PGSSLMODE=disable"]);
    // A $ of the spec means itself.
    let found = variables(&job(&parts(), |m| m["spec"]["database"]["database"] = json!("a$(HOME)")));
    assert_eq!(found[2], "PGDATABASE=a$$(HOME)");
}
