//! A message to a channel of Slack, by an incoming webhook. The address is the secret.

use async_trait::async_trait;
use cofferdam_core::Notice;
use url::Url;

use super::http::{self, Post};
use super::template::{Template, Writing};
use super::{Egress, Secret, Settings, Sink, SinkKind, Undelivered, bad};

/// What is configured of it.
#[derive(Debug, Clone, Default)]
pub struct Slack {
    /// The address of the incoming webhook.
    pub url: Secret,
    /// A template of the message, in place of the one built in.
    pub template: Option<String>,
    /// Authorities beside those of the system, as PEM.
    pub ca: Option<Vec<u8>>,
}

pub(super) static KIND: SinkKind = SinkKind {
    id: "slack",
    about: "a message to a channel of Slack, by an incoming webhook",
    open: |settings: &Settings| {
        let slack = settings.slack.as_ref()?;
        Some(
            channel(slack, &settings.egress)
                .map(|sink| Box::new(sink) as Box<dyn Sink>)
                .map_err(|e| bad("slack", e)),
        )
    },
};

const MESSAGE: &str = "\
*{{ title }}*{% if environment is not none %} ({{ environment }}){% endif %}

{% if description != '' %}
{{ description }}
{% endif %}
{% if why is not none %}
> {{ why }}
{% endif %}
{% if next is not none %}
next: `{{ next }}`
{% endif %}
run `{{ run }}`, by {{ who }}, {{ at }}";

struct Channel {
    url: Url,
    template: Template,
    egress: Egress,
    ca: Option<Vec<u8>>,
}

fn channel(slack: &Slack, egress: &Egress) -> Result<Channel, String> {
    Ok(Channel {
        url: http::address(&slack.url)?,
        template: Template::of(slack.template.as_deref(), MESSAGE, Writing::Slack)?,
        egress: egress.clone(),
        ca: slack.ca.clone(),
    })
}

#[async_trait]
impl Sink for Channel {
    fn id(&self) -> &'static str {
        KIND.id
    }

    fn place(&self) -> String {
        http::place(&self.url)
    }

    async fn deliver(&self, notice: &Notice) -> Result<(), Undelivered> {
        let text = self.template.render(notice).map_err(Undelivered)?;
        let body = serde_json::json!({ "text": text, "unfurl_links": false }).to_string().into_bytes();
        let post = Post {
            url: &self.url,
            content_type: "application/json",
            headers: Vec::new(),
            body,
            ca: self.ca.as_deref(),
        };
        http::post(&self.egress, post).await
    }
}
