//! Tells the administrator's Pushgateway how the run ended.

use cofferdam_adapters::metrics::{Group, Pushgateway, Told};
use cofferdam_api::status::RunResult;
use cofferdam_operator::contract::{self, Kind};
use cofferdam_operator::outcome::Outcome;
use jiff::Timestamp;

use super::log::Level;
use super::reporter::Report;

/// Tells it, if there is one and the run is over. That it cannot be told is a line in the log: the run is as it is.
pub(super) async fn tell(report: &Report, work: Kind, object: &str, outcome: &Outcome) {
    let Some(url) = std::env::var(contract::PUSHGATEWAY).ok().filter(|url| !url.is_empty()) else { return };
    // What opens the way for a container is not yet the run.
    let Some(result) = outcome.ended.result().filter(|_| work != Kind::Container) else { return };
    let told = told(report, work, result, outcome);
    let (namespace, name) = object.split_once('/').unwrap_or(("", object));
    let group = Group::new([
        ("namespace", namespace.to_owned()),
        ("migration", name.to_owned()),
        ("work", work.word().to_owned()),
    ]);
    let pushed = match Pushgateway::new(&url) {
        Ok(gateway) => gateway.push(&group, &told).await,
        Err(refusal) => Err(refusal.to_string()),
    };
    if let Err(why) = pushed {
        report.log.line(Level::Warn, &format!("the Pushgateway was not told: {why}"));
    }
}

fn told(report: &Report, work: Kind, result: RunResult, outcome: &Outcome) -> Told {
    let now = Timestamp::now();
    let began = report.with(|account, _| account.start()).filter(|_| report.began());
    let result = match (work, result) {
        (Kind::Rollback, RunResult::Succeeded) => RunResult::RolledBack,
        _ => result,
    };
    Told {
        result: result.word().to_owned(),
        reason: outcome.reason.clone(),
        seconds: began.map(|began| now.duration_since(began).as_secs_f64()),
        ended: now.as_second(),
        figures: outcome.figures.unwrap_or_default(),
    }
}
