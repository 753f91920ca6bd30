//! A mail, by SMTP with TLS.

use std::time::Duration;

use async_trait::async_trait;
use cofferdam_core::Notice;
use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls as Protection, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::secret::scrubbed;
use super::template::{Template, Writing};
use super::{Secret, Settings, Sink, SinkKind, Undelivered, bad};

/// For one mail, from the connection to the answer.
const ALL: Duration = Duration::from_secs(20);
/// For one answer of the server.
const ANSWER: Duration = Duration::from_secs(10);
/// The longest subject, in characters.
const SUBJECT: usize = 150;
/// The most recipients.
const RECIPIENTS: usize = 20;

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tls {
    /// TLS after STARTTLS, or nothing is sent. Port 587.
    #[default]
    Starttls,
    /// TLS from the first byte. Port 465.
    Implicit,
    /// None: for a server on the same machine. Port 25.
    Off,
}

impl Tls {
    /// By its word.
    pub fn named(word: &str) -> Option<Self> {
        match word {
            "starttls" => Some(Tls::Starttls),
            "implicit" => Some(Tls::Implicit),
            "none" => Some(Tls::Off),
            _ => None,
        }
    }

    fn port(self) -> u16 {
        match self {
            Tls::Starttls => 587,
            Tls::Implicit => 465,
            Tls::Off => 25,
        }
    }
}

/// What is configured of it.
#[derive(Debug, Clone, Default)]
pub struct Email {
    /// The server.
    pub host: String,
    /// Its port. Default: by `tls`.
    pub port: Option<u16>,
    /// How the connection is protected.
    pub tls: Tls,
    /// Who logs in; `None`: nobody.
    pub username: Option<String>,
    /// With which password.
    pub password: Option<Secret>,
    /// The sender.
    pub from: String,
    /// Who gets it.
    pub recipients: Vec<String>,
    /// A template of the text, in place of the one built in.
    pub template: Option<String>,
    /// A template of the subject, in place of the one built in.
    pub subject: Option<String>,
    /// Authorities beside those of the system, as PEM.
    pub ca: Option<Vec<u8>>,
}

pub(super) static KIND: SinkKind = SinkKind {
    id: "email",
    about: "a mail, by SMTP with STARTTLS or TLS",
    open: |settings: &Settings| {
        let email = settings.email.as_ref()?;
        Some(post(email).map(|sink| Box::new(sink) as Box<dyn Sink>).map_err(|e| bad("email", e)))
    },
};

const TITLE: &str = "[cofferdam]{% if environment is not none %}[{{ environment }}]{% endif %} {{ title }}";
const TEXT: &str = "\
{{ title }}

{% if description != '' %}
{{ description }}

{% endif %}
{% if why is not none %}
Why:         {{ why }}
{% endif %}
{% if next is not none %}
Next:        {{ next }}
{% endif %}
Database:    {{ database }}
{% if environment is not none %}
Environment: {{ environment }}
{% endif %}
Migration:   {{ key }}
Run:         {{ run }} ({{ phase }})
Plan:        {{ digest }}
By:          {{ who }}
At:          {{ at }}
Event:       {{ id }}
Chain:       {{ hash }}
";

struct Post {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
    subject: Template,
    text: Template,
    secret: Secret,
}

fn post(email: &Email) -> Result<Post, String> {
    let mailbox = |what: &str, text: &str| {
        text.parse::<Mailbox>().map_err(|_| format!("{what} {text:?} is no mail address"))
    };
    if email.recipients.is_empty() || email.recipients.len() > RECIPIENTS {
        return Err(format!("from 1 to {RECIPIENTS} recipients are needed"));
    }
    if email.host.is_empty() || email.host.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/')
    {
        return Err("host is not the name of a mail server".to_owned());
    }
    let local = matches!(email.host.as_str(), "localhost" | "127.0.0.1" | "::1");
    if email.tls == Tls::Off && !local {
        return Err("tls: none is for a server on the same machine".to_owned());
    }
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&email.host)
        .port(email.port.unwrap_or(email.tls.port()))
        .timeout(Some(ANSWER))
        .tls(match email.tls {
            Tls::Off => Protection::None,
            Tls::Starttls => Protection::Required(parameters(email)?),
            Tls::Implicit => Protection::Wrapper(parameters(email)?),
        });
    match (&email.username, &email.password) {
        (None, None) => {}
        (Some(user), Some(password)) => {
            transport = transport.credentials(Credentials::new(user.clone(), password.reveal().to_owned()));
        }
        _ => return Err("username and password belong together".to_owned()),
    }
    Ok(Post {
        transport: transport.build(),
        from: mailbox("from", &email.from)?,
        to: email.recipients.iter().map(|to| mailbox("the recipient", to)).collect::<Result<_, _>>()?,
        subject: Template::of(email.subject.as_deref(), TITLE, Writing::Plain)?,
        text: Template::of(email.template.as_deref(), TEXT, Writing::Plain)?,
        secret: email.password.clone().unwrap_or_default(),
    })
}

fn parameters(email: &Email) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(email.host.clone());
    if let Some(pem) = &email.ca {
        let authority = Certificate::from_pem(pem).map_err(|why| format!("ca cannot be read: {why}"))?;
        builder = builder.add_root_certificate(authority);
    }
    builder.build_rustls().map_err(|why| format!("TLS cannot be prepared: {why}"))
}

impl Post {
    fn message(&self, notice: &Notice) -> Result<Message, String> {
        // A header is one line, whatever the migration is called.
        let subject: String = self.subject.render(notice)?;
        let subject: String =
            subject.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SUBJECT).collect();
        let mut message = Message::builder()
            .from(self.from.clone())
            .subject(subject)
            .message_id(Some(format!("<{}.{}@cofferdam.dev>", notice.run, notice.seq)))
            .header(ContentType::TEXT_PLAIN);
        for to in &self.to {
            message = message.to(to.clone());
        }
        message.body(self.text.render(notice)?).map_err(|why| why.to_string())
    }
}

#[async_trait]
impl Sink for Post {
    fn id(&self) -> &'static str {
        KIND.id
    }

    fn place(&self) -> String {
        self.to.iter().map(|to| to.email.to_string()).collect::<Vec<_>>().join(", ")
    }

    async fn deliver(&self, notice: &Notice) -> Result<(), Undelivered> {
        let message = self.message(notice).map_err(Undelivered)?;
        match tokio::time::timeout(ALL, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(why)) => Err(Undelivered(scrubbed(&causes(&why), &[&self.secret]))),
            Err(_) => Err(Undelivered(format!("the mail server did not answer within {} s", ALL.as_secs()))),
        }
    }
}

/// An error with what is behind it.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut inner = error.source();
    while let Some(cause) = inner {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        inner = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::template::example;
    use cofferdam_core::notice::Told;

    fn email() -> Email {
        Email {
            host: "mail.company.com".into(),
            from: "Cofferdam <cofferdam@company.com>".into(),
            recipients: vec!["dba@company.com".into()],
            ..Email::default()
        }
    }

    #[test]
    fn a_name_with_line_ends_adds_no_header_and_no_recipient() {
        let notice = Notice {
            title: "x\r\nBcc: evil@example.org\r\n\r\nhello".into(),
            description: ".\r\nRCPT TO:<evil@example.org>\r\n.".into(),
            ..example(Told::Began)
        };
        let message = post(&email()).unwrap().message(&notice).unwrap();
        assert_eq!(message.envelope().to().len(), 1);
        let text = String::from_utf8(message.formatted()).unwrap();
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        assert!(!head.lines().any(|line| line.to_lowercase().starts_with("bcc")), "{head}");
        assert!(
            head.contains("Message-ID: <00000000-0000-0000-0000-000000000000.1@cofferdam.dev>"),
            "{head}"
        );
    }

    #[test]
    fn what_is_configured_wrongly_is_said_without_the_password() {
        type Change = fn(&mut Email);
        let changes: [Change; 8] = [
            |e| e.recipients.clear(),
            |e| e.recipients = vec!["dba@company.com".into(); 21],
            |e| e.recipients = vec!["dba@company.com\r\nBcc: x@y.z".into()],
            |e| e.from = "nobody".into(),
            |e| e.host = "a b".into(),
            |e| e.tls = Tls::Off,
            |e| e.password = Some(Secret::new("canary")),
            |e| e.ca = Some(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec()),
        ];
        for (number, change) in changes.iter().enumerate() {
            let mut email = email();
            change(&mut email);
            let why = post(&email).err().unwrap_or_else(|| panic!("{number} is accepted"));
            assert!(!why.contains("canary"), "{why}");
        }
    }
}
