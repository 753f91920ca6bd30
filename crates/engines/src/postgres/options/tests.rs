//! Every layer, by tables: what is given, and what comes out of it.

use std::collections::HashMap;
use std::path::PathBuf;

use super::*;

/// An environment of the test's own: variables, a home folder, a login, and where sockets are.
#[derive(Default)]
struct Fixed {
    variables: HashMap<String, String>,
    home: Option<PathBuf>,
    login: Option<String>,
    sockets: Vec<PathBuf>,
}

impl Env for Fixed {
    fn var(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn home(&self) -> Option<PathBuf> {
        self.home.clone()
    }

    fn login(&self) -> Option<String> {
        self.login.clone()
    }

    fn socket_folders(&self) -> Vec<PathBuf> {
        self.sockets.clone()
    }
}

fn env(variables: &[(&str, &str)]) -> Fixed {
    Fixed {
        variables: variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        login: Some("me".to_owned()),
        ..Fixed::default()
    }
}

/// `user[:password]@host:port[,...]/database mode`.
fn shown(options: &ConnectOptions) -> String {
    let password = options.password_for(0).map(|p| format!(":{}", p.expose())).unwrap_or_default();
    let hosts: Vec<_> = options.hosts.iter().map(ToString::to_string).collect();
    let mode = match options.sslmode {
        SslMode::Disable => "disable",
        SslMode::Require => "require",
        SslMode::VerifyCa => "verify-ca",
        SslMode::VerifyFull => "verify-full",
    };
    format!("{}{password}@{}/{} {mode}", options.user, hosts.join(","), options.database)
}

#[test]
fn urls_and_pairs() {
    for (url, expected) in [
        // URLs
        ("postgres://u:pw@db:5433/shop", "u:pw@db:5433/shop verify-full"),
        ("postgresql://u@db/shop", "u@db:5432/shop verify-full"),
        ("POSTGRES://u@db/shop", "u@db:5432/shop verify-full"),
        ("  postgres://u@db/shop\n", "u@db:5432/shop verify-full"),
        ("postgres://u@db", "u@db:5432/u verify-full"),
        ("postgres://u@db/", "u@db:5432/u verify-full"),
        ("postgres://db/shop", "me@db:5432/shop verify-full"),
        ("postgres://", "me@localhost:5432/me disable"),
        ("postgres:///shop", "me@localhost:5432/shop disable"),
        ("postgres://u:@db/shop", "u@db:5432/shop verify-full"),
        ("postgres://:pw@db/shop", "me:pw@db:5432/shop verify-full"),
        ("postgres://u@db:/shop", "u@db:5432/shop verify-full"),
        // percent-encoding
        ("postgres://u:p%40%2F%3a%20%25w@db/shop", "u:p@/: %w@db:5432/shop verify-full"),
        ("postgres://u:p?w@db/shop", "u:p?w@db:5432/shop verify-full"),
        ("postgres://u:a:b@db/shop", "u:a:b@db:5432/shop verify-full"),
        ("postgres://%C3%A9@db/d%20b", "é@db:5432/d b verify-full"),
        ("postgres://u:a+b@db/shop", "u:a+b@db:5432/shop verify-full"),
        // addresses
        ("postgres://u@[::1]:5433/shop", "u@[::1]:5433/shop disable"),
        ("postgres://u@[2001:db8::1]/shop", "u@[2001:db8::1]:5432/shop verify-full"),
        ("postgres://u@127.0.0.1/shop", "u@127.0.0.1:5432/shop disable"),
        ("postgres://u@127.8.9.1/shop", "u@127.8.9.1:5432/shop disable"),
        ("postgres://u@LocalHost/shop", "u@LocalHost:5432/shop disable"),
        ("postgres://u@localhost.evil/shop", "u@localhost.evil:5432/shop verify-full"),
        ("postgres://u@10.0.0.1/shop", "u@10.0.0.1:5432/shop verify-full"),
        // sockets
        ("postgres://u@%2Frun%2Fpg:5433/shop", "u@/run/pg:5433/shop disable"),
        ("postgres:///shop?host=/run/pg&user=u", "u@/run/pg:5432/shop disable"),
        ("postgres://u@%2Frun%2Fpg/shop?sslmode=verify-full", "u@/run/pg:5432/shop verify-full"),
        // several hosts
        ("postgres://u@a:1,b:2,c/shop", "u@a:1,b:2,c:5432/shop verify-full"),
        ("postgres://u@a,b/shop?port=7", "u@a:7,b:7/shop verify-full"),
        ("postgres://u@localhost,db/shop", "u@localhost:5432,db:5432/shop verify-full"),
        ("postgres://u@localhost,127.0.0.1/shop", "u@localhost:5432,127.0.0.1:5432/shop disable"),
        // options of the URL
        ("postgres://u@db/shop?sslmode=disable", "u@db:5432/shop disable"),
        ("postgres://u@db/shop?sslmode=require", "u@db:5432/shop require"),
        ("postgres://u@db/shop?sslmode=verify-ca", "u@db:5432/shop verify-ca"),
        ("postgres://u@localhost/shop?sslmode=verify-full", "u@localhost:5432/shop verify-full"),
        ("postgres://u@db/shop?ssl=true", "u@db:5432/shop require"),
        ("postgres://u@db/shop?sslmode=require&sslrootcert=/ca.pem", "u@db:5432/shop verify-ca"),
        ("postgres://u@db/shop?sslmode=require&sslrootcert=system", "u@db:5432/shop verify-full"),
        ("postgres://u@db/shop?user=x&password=y&dbname=z", "x:y@db:5432/z verify-full"),
        ("postgres://u@db/shop?host=other", "u@other:5432/shop verify-full"),
        ("postgres://u@db/shop?", "u@db:5432/shop verify-full"),
        ("postgres://u@db/shop?gssencmode=disable&client_encoding=UTF8", "u@db:5432/shop verify-full"),
        ("postgres://u@db/shop?hostaddr=127.0.0.1", "u@db:5432/shop disable"),
        ("postgres://u@/shop?hostaddr=192.0.2.1", "u@192.0.2.1:5432/shop verify-full"),
        ("postgres://u@localhost/shop?hostaddr=192.0.2.1", "u@localhost:5432/shop verify-full"),
        // pairs
        ("host=db user=u dbname=shop password=pw port=5433", "u:pw@db:5433/shop verify-full"),
        ("host = db  user =u dbname= shop", "u@db:5432/shop verify-full"),
        ("host=db user='a b' password='it\\'s \\\\ x'", "a b:it's \\ x@db:5432/a b verify-full"),
        ("host=db user=u password=a\\ b", "u:a b@db:5432/u verify-full"),
        ("host=db user=u password=''", "u@db:5432/u verify-full"),
        ("host=db user=u user=v", "v@db:5432/v verify-full"),
        ("host=a,b port=1,2 user=u", "u@a:1,b:2/u verify-full"),
        ("host=/run/pg user=u", "u@/run/pg:5432/u disable"),
        ("host=::1 user=u", "u@[::1]:5432/u disable"),
        ("dbname=shop", "me@localhost:5432/shop disable"),
        ("host=db user=u password=a://b", "u:a://b@db:5432/u verify-full"),
        ("host=db\tuser=u\ndbname=shop", "u@db:5432/shop verify-full"),
    ] {
        match resolve(Some(url), &env(&[])) {
            Ok(options) => assert_eq!(shown(&options), expected, "{url}"),
            Err(refusal) => panic!("{url}: {refusal:?}"),
        }
    }
}

#[test]
fn what_is_refused_says_why_and_shows_no_secret() {
    const U: &str = "postgres://u@db/shop";
    for (url, expected) in [
        ("", "the URL is empty"),
        ("CANARY", "neither a URL nor"),
        ("u:CANARY@db/shop", "neither a URL nor"),
        ("mysql://u:CANARY@db/shop", "not one of PostgreSQL"),
        ("jdbc:postgresql://db/shop", "Java"),
        ("postgres://u:CAN/ARY@db/shop", "a port in the URL"),
        ("postgres://u:CAN@ARY@db/shop", "has an @ in it"),
        ("postgres://u:CAN%ARY@db/shop", "hexadecimal"),
        ("postgres://u:%00CANARY@db/shop", "NUL"),
        ("postgres://u:%FFCANARY@db/shop", "not UTF-8"),
        ("postgres://u@db:CANARY/shop", "a port in the URL"),
        ("postgres://u@db:0/shop", "port"),
        ("postgres://u@db:65536/shop", "a port in the URL"),
        ("postgres://u@[::1/shop", "not closed"),
        ("postgres://u@[::1]x/shop", "a port or a path"),
        ("postgres://u@db/shop?CANARY", "has no value"),
        ("postgres://u@db/shop?CAN-ARY=1", "an option's name is not understood"),
        (&format!("{U}?sslmod=require"), "there is no option sslmod"),
        (&format!("{U}?sslmode=prefer"), "sslmode=prefer"),
        (&format!("{U}?sslmode=allow"), "sslmode=allow"),
        (&format!("{U}?sslmode=on"), "the value of sslmode"),
        (&format!("{U}?target_session_attrs=standby"), "the value of target_session_attrs"),
        (&format!("{U}?channel_binding=maybe"), "the value of channel_binding"),
        (&format!("{U}?connect_timeout=soon"), "the value of connect_timeout"),
        (&format!("{U}?hostaddr=db"), "the value of hostaddr"),
        (&format!("{U}?hostaddr=192.0.2.1,192.0.2.2"), "hostaddr names 2"),
        (&format!("{U}?port=1,2"), "port names 2"),
        (&format!("{U}?host=@abstract"), "the value of host"),
        (&format!("{U}?sslcrl=/x"), "sslcrl is not supported"),
        (&format!("{U}?sslpassword=CANARY"), "sslpassword is not supported"),
        (&format!("{U}?require_auth=scram-sha-256"), "require_auth is not supported"),
        (&format!("{U}?gssencmode=require"), "gssencmode=require"),
        (&format!("{U}?client_encoding=LATIN1"), "client_encoding=LATIN1"),
        ("postgres:///shop?channel_binding=require", "needs TLS"),
        ("host=db password='CANARY", "a quote is not closed"),
        ("host=db CANARY user=u", "a = is missing"),
        ("host=db passwort=CANARY", "there is no option passwort"),
    ] {
        let refusal = *resolve(Some(url), &env(&[])).expect_err(url);
        assert!(refusal.what.contains(expected), "{url}: {}", refusal.what);
        assert_eq!(refusal.code, Code::BadUrl, "{url}");
        let all = format!("{refusal:?}");
        assert!(!all.contains("CANARY") && !all.contains("ARY"), "{url}: {all}");
    }
    let help = |url: &str| resolve(Some(url), &env(&[])).unwrap_err().help.unwrap_or_default();
    assert_eq!(help(&format!("{U}?sslmod=require")), "did you mean sslmode?");
    assert_eq!(help("hots=db"), "did you mean host?");
}

#[test]
fn layers() {
    let folder = tempfile::tempdir().unwrap();
    let service_file = folder.path().join("services");
    let services = "[s]\nhost=service\nuser=service\ndbname=service\nsslmode=disable\n[typo]\nhots=x\n";
    std::fs::write(&service_file, services).unwrap();
    let service_file = service_file.to_string_lossy().into_owned();
    let pg = [
        ("PGHOST", "env"),
        ("PGPORT", "5444"),
        ("PGUSER", "env"),
        ("PGDATABASE", "env"),
        ("PGPASSWORD", "env"),
        ("PGSERVICEFILE", service_file.as_str()),
    ];
    type Case<'a> = (Option<&'a str>, &'a [(&'a str, &'a str)], &'a str);
    let cases: &[Case<'_>] = &[
        (None, &[], "env:env@env:5444/env verify-full"),
        (Some("postgres://"), &[], "env:env@env:5444/env verify-full"),
        (Some("postgres://url"), &[], "env:env@url:5444/env verify-full"),
        (Some("postgres://u:p@url:1/d?sslmode=require"), &[], "u:p@url:1/d require"),
        (None, &[("PGSERVICE", "s")], "service:env@service:5444/service disable"),
        (Some("postgres://url?service=s"), &[], "service:env@url:5444/service disable"),
        (Some("service=s user=pair"), &[], "pair:env@service:5444/service disable"),
        (Some("postgres://u@url/d"), &[("PGSERVICE", "s")], "u:env@url:5444/d disable"),
        (None, &[("PGSSLMODE", "verify-ca")], "env:env@env:5444/env verify-ca"),
        (None, &[("PGHOSTADDR", "127.0.0.1")], "env:env@env:5444/env disable"),
        (None, &[("PGUSER", "")], "me:env@env:5444/env verify-full"),
        (None, &[("PGDATABASE", ""), ("PGPASSWORD", "")], "env@env:5444/env verify-full"),
        (Some("user='' host=h"), &[], "me:env@h:5444/env verify-full"),
    ];
    for (url, more, expected) in cases {
        let mut env = env(&pg);
        env.variables.extend(more.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        match resolve(*url, &env) {
            Ok(options) => assert_eq!(shown(&options), *expected, "{url:?} {more:?}"),
            Err(refusal) => panic!("{url:?} {more:?}: {refusal:?}"),
        }
    }
    for (variables, code, what, note) in [
        (&[][..], Code::NoUrl, "no database is named", ""),
        (&[("PGUSER", "u"), ("PGPASSWORD", "p")], Code::NoUrl, "no database is named", ""),
        (&[("PGHOST", "")], Code::NoUrl, "no database is named", ""),
        (
            &[("PGHOST", "h"), ("PGSSLMODE", "prefer")],
            Code::BadUrl,
            "sslmode=prefer",
            "it stands in PGSSLMODE",
        ),
        (&[("PGHOST", "h"), ("PGPORT", "x")], Code::BadUrl, "the value of port", "it stands in PGPORT"),
        (&[("PGHOST", "h"), ("PGSSLCRL", "x")], Code::BadUrl, "sslcrl", "it stands in PGSSLCRL"),
        (&[("PGSERVICE", "none"), ("PGSERVICEFILE", &service_file)], Code::BadServiceFile, "\"none\"", ""),
        (&[("PGSERVICE", "s"), ("PGSERVICEFILE", "/nowhere")], Code::BadServiceFile, "cannot be read", ""),
        (
            &[("PGSERVICE", "typo"), ("PGSERVICEFILE", &service_file)],
            Code::BadUrl,
            "option hots",
            "it stands in service typo",
        ),
    ] {
        let refusal = *resolve(None, &env(variables)).expect_err(what);
        assert_eq!(refusal.code, code, "{variables:?}");
        assert!(refusal.what.contains(what), "{variables:?}: {}", refusal.what);
        assert!(note.is_empty() || refusal.notes.iter().any(|n| n.starts_with(note)), "{refusal:?}");
    }
}

#[test]
fn the_rest_of_the_options() {
    let all = [
        ("PGHOST", "h"),
        ("PGAPPNAME", "app"),
        ("PGCONNECT_TIMEOUT", "3"),
        ("PGOPTIONS", "-c work_mem=1MB"),
        ("PGTARGETSESSIONATTRS", "read-write"),
        ("PGCHANNELBINDING", "require"),
        ("PGSSLROOTCERT", "/r"),
        ("PGSSLCERT", "/c"),
        ("PGSSLKEY", "/k"),
    ];
    let options = resolve(None, &env(&all)).unwrap();
    assert_eq!(options.application_name, "app");
    assert_eq!(options.connect_timeout, Some(Duration::from_secs(3)));
    assert_eq!(options.options.as_deref(), Some("-c work_mem=1MB"));
    assert_eq!(options.target_session_attrs, TargetSessionAttrs::ReadWrite);
    assert_eq!(options.channel_binding, ChannelBinding::Require);
    let files = [&options.sslrootcert, &options.sslcert, &options.sslkey];
    assert_eq!(files.map(|f| f.clone().unwrap().to_string_lossy().into_owned()), ["/r", "/c", "/k"]);

    let plain = resolve(Some("host=h"), &env(&[])).unwrap();
    assert_eq!(plain.application_name, "cofferdam");
    assert_eq!(plain.connect_timeout, Some(Duration::from_secs(10)));
    assert_eq!((plain.options, plain.target_session_attrs), (None, TargetSessionAttrs::Any));
    assert_eq!((plain.sslrootcert, plain.sslcert, plain.sslkey), (None, None, None));

    for (pairs, expected) in [
        ("connect_timeout=0", None),
        ("connect_timeout=-1", None),
        ("connect_timeout=1", Some(Duration::from_secs(1))),
    ] {
        assert_eq!(resolve(Some(&format!("host=h {pairs}")), &env(&[])).unwrap().connect_timeout, expected);
    }
    for (pairs, expected) in [
        ("search_path=a,b", "-c search_path=a,b"),
        ("search_path='a, b\\\\c'", "-c search_path=a,\\ b\\\\c"),
        ("options='-c x=1' search_path=a", "-c x=1 -c search_path=a"),
    ] {
        let options = resolve(Some(&format!("host=h {pairs}")), &env(&[])).unwrap();
        assert_eq!(options.options.as_deref(), Some(expected), "{pairs}");
    }
    for (pairs, warned) in [
        ("keepalives_idle=5", "keepalives_idle in the URL has no effect"),
        ("sslmode=require", "does not check who answers"),
    ] {
        let options = resolve(Some(&format!("host=h {pairs}")), &env(&[])).unwrap();
        assert!(options.warnings.iter().any(|w| w.contains(warned)), "{:?}", options.warnings);
    }
    assert!(resolve(Some("host=localhost sslmode=require"), &env(&[])).unwrap().warnings.is_empty());
}

#[test]
fn the_socket_that_is_there_is_the_default_host() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(second.path().join(".s.PGSQL.5433"), "").unwrap();
    let sockets = vec![first.path().to_owned(), second.path().to_owned()];
    let env = Fixed { sockets, ..env(&[]) };
    let host = |url| resolve(Some(url), &env).unwrap().hosts[0].clone();
    assert_eq!(host("postgres:///d?port=5433").host, second.path().to_string_lossy());
    assert_eq!(host("postgres:///d").host, "localhost");
    assert!(host("postgres:///d?port=5433").is_socket());
}

#[test]
fn nobody_can_connect_as_nobody() {
    let env = Fixed { login: None, ..env(&[]) };
    assert!(resolve(Some("host=h"), &env).unwrap_err().what.contains("no user is named"));
}

#[cfg(unix)]
#[test]
fn passwords_from_the_file_by_host_and_only_if_it_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let sockets = vec![home.path().join("sockets")];
    let file = home.path().join(".pgpass");
    std::fs::write(&file, "a:5432:d:u:for-a\nlocalhost:*:d:u:for-localhost\n*:*:*:u:for-all\n").unwrap();
    let chmod = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    let env = Fixed { home: Some(home.path().to_owned()), sockets: sockets.clone(), ..env(&[]) };
    let passwords = |url: &str| {
        let options = resolve(Some(url), &env).unwrap();
        let found: Vec<_> = (0..options.hosts.len())
            .map(|i| options.password_for(i).map(|p| p.expose().to_owned()).unwrap_or_default())
            .collect();
        (found, options.warnings)
    };
    chmod(0o600);
    let socket = sockets[0].to_string_lossy().replace('/', "%2F");
    for (url, expected) in [
        ("postgres://u@a,b,a:1/d", vec!["for-a", "for-all", "for-all"]),
        ("postgres://u:given@a/d", vec!["given"]),
        ("postgres://other@a/d", vec![""]),
        ("postgres://u@localhost/d", vec!["for-localhost"]),
        (&format!("postgres://u@{socket}/d"), vec!["for-localhost"]),
        ("postgres://u@a/d?passfile=/nowhere", vec![""]),
    ] {
        let (found, warnings) = passwords(url);
        assert_eq!(found, expected, "{url}");
        assert!(warnings.is_empty(), "{url}: {warnings:?}");
    }
    for mode in [0o640, 0o604, 0o644] {
        chmod(mode);
        let (found, warnings) = passwords("postgres://u@a/d");
        assert_eq!(found, [""], "{mode:o}");
        assert!(warnings.len() == 1 && warnings[0].contains("chmod 600"), "{warnings:?}");
    }
}

#[test]
fn the_usual_certificates_are_used_where_they_are() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".postgresql");
    std::fs::create_dir(&folder).unwrap();
    for name in ["root.crt", "postgresql.crt", "postgresql.key"] {
        std::fs::write(folder.join(name), "").unwrap();
    }
    let env = Fixed { home: Some(home.path().to_owned()), ..env(&[]) };
    let options = resolve(Some("host=h sslmode=require"), &env).unwrap();
    // An authority that is known is asked, as in libpq.
    assert_eq!(options.sslmode, SslMode::VerifyCa);
    assert_eq!(options.sslrootcert, Some(folder.join("root.crt")));
    assert_eq!(options.sslcert, Some(folder.join("postgresql.crt")));
    assert_eq!(options.sslkey, Some(folder.join("postgresql.key")));
    let options = resolve(Some("host=h sslrootcert=system"), &env).unwrap();
    assert_eq!((options.sslrootcert, options.sslmode), (None, SslMode::VerifyFull));
}

#[test]
fn debug_shows_no_password() {
    let options = resolve(Some("postgres://u:CANARY@h/d"), &env(&[])).unwrap();
    assert!(!format!("{options:?}").contains("CANARY"));
    assert_eq!(options.described(&options.hosts[0]).to_string(), "h:5432/d");
}

#[test]
fn every_file_of_the_folder_is_a_module() {
    let source = include_str!("../options.rs");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/postgres/options");
    for file in std::fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().to_string_lossy().replace(".rs", "");
        assert!(source.contains(&format!("mod {name};")), "{name}");
    }
}

/// A second connection goes to the very server of the first, with the password for it.
#[test]
fn one_of_the_hosts_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pass");
    std::fs::write(&file, "one:5432:d:u:first\ntwo:5433:d:u:second\n").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let url = format!("host=one,two port=5432,5433 user=u dbname=d passfile={}", file.display());
    let options = resolve(Some(&url), &env(&[])).unwrap();
    for (place, expected) in [(0, "u:first@one:5432/d verify-full"), (1, "u:second@two:5433/d verify-full")] {
        let described = options.described(&options.hosts[place]);
        assert_eq!(shown(&options.clone().only(&described)), expected);
    }
    let unknown = Described { host: "three".into(), port: 1, database: "d".into(), user: "u".into() };
    assert_eq!(options.clone().only(&unknown).hosts, options.hosts);
}
