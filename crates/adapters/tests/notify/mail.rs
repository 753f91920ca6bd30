//! Mail, to aiosmtpd: `cargo xtask setup` installs it.

use cofferdam_adapters::notify::{Email, Secret, Tls};

use crate::post::{self, Post};
use crate::{email, notice, refused};

fn start() -> Option<Post> {
    Post::start("mail", ("127.0.0.1", "localhost"), 0)
}

trait Login {
    fn email(&self, tls: Tls, port: u16) -> Email;
}

impl Login for Post {
    fn email(&self, tls: Tls, port: u16) -> Email {
        Email {
            host: "localhost".into(),
            port: Some(port),
            tls,
            username: Some(post::USER.into()),
            password: Some(Secret::new(post::PASSWORD)),
            from: "Cofferdam <cofferdam@company.com>".into(),
            recipients: vec!["dba@company.com".into(), "team@company.com".into()],
            ca: Some(self.authority.clone().into_bytes()),
            ..Email::default()
        }
    }
}

#[tokio::test]
async fn a_mail_arrives_over_tls_of_both_kinds_with_one_id() {
    let Some(post) = start() else { return };
    for (tls, port) in [(Tls::Starttls, post.ports[0]), (Tls::Implicit, post.ports[1])] {
        email(post.email(tls, port)).deliver(&notice()).await.unwrap();
    }
    let mails = post.mails();
    assert_eq!(mails.len(), 2);
    for mail in mails {
        let (head, text) = mail.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("TO dba@company.com,team@company.com\r\n"), "{head}");
        assert!(
            head.contains("Message-ID: <00000000-0000-0000-0000-000000000000.7@cofferdam.dev>"),
            "{head}"
        );
        assert!(head.contains("Subject: [cofferdam][prod] shop: 1.5.0 failed <!channel>"), "{head}");
        assert!(!head.to_lowercase().contains("bcc"), "{head}");
        assert!(text.contains("Chain:       abc") && text.contains("no such table"), "{text}");
    }
}

#[tokio::test]
async fn nothing_is_sent_without_tls_without_trust_or_with_a_wrong_password() {
    let Some(post) = start() else { return };
    let [starttls, implicit, plain] = post.ports;
    type Change = fn(&mut Email);
    let cases: [(Tls, u16, Change); 5] = [
        // It offers no STARTTLS.
        (Tls::Starttls, plain, |_| {}),
        (Tls::Starttls, starttls, |email| email.ca = None),
        (Tls::Implicit, implicit, |email| email.ca = None),
        (Tls::Starttls, starttls, |email| email.password = Some(Secret::new("canary but wrong"))),
        // The certificate is for localhost.
        (Tls::Implicit, implicit, |email| email.host = "127.0.0.1".into()),
    ];
    for (tls, port, change) in cases {
        let mut wanted = post.email(tls, port);
        change(&mut wanted);
        refused(&*email(wanted)).await;
    }
    assert_eq!(post.mails().len(), 0);
}

#[tokio::test]
async fn a_server_that_is_not_there_or_is_none_is_said() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let wanted = |port: u16| Email {
        host: "localhost".into(),
        port: Some(port),
        from: "a@b.c".into(),
        recipients: vec!["a@b.c".into()],
        ..Email::default()
    };
    refused(&*email(wanted(gone.port()))).await;
    let talker = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = talker.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = talker.accept().await.unwrap();
        let line = vec![b'2'; 1 << 16];
        while tokio::io::AsyncWriteExt::write_all(&mut stream, &line).await.is_ok() {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"\r\n").await;
        }
    });
    refused(&*email(wanted(port))).await;
}
