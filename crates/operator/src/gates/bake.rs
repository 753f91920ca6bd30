//! Watching metrics after a change. Pure: what was seen before stands in the status, so that an operator that is
//! started anew goes on watching where the one before it stopped.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use cofferdam_api::checks::MetricCheck;
use cofferdam_api::status::{Bake, BakeResult, BakedMetric};

use super::threshold::{Reading, Verdict, judge};

/// After so many intervals without a look nobody knows what was meanwhile, and that time does not count.
const GAP: i64 = 3;
/// A metric that cannot be read for so many intervals, and so many seconds, is not waited for any longer.
const BLIND: (i64, i64) = (10, 300);

/// The watch of the change that a Job made, as it is at its beginning.
pub fn begin(job: &str, metrics: &[MetricCheck], now: Timestamp) -> Bake {
    let metric = |check: &MetricCheck| BakedMetric {
        name: check.name.to_string(),
        value: None,
        looked_at: whole(now),
        watched_seconds: 0,
        unread_since: None,
    };
    Bake {
        job_name: job.to_owned(),
        result: BakeResult::Baking,
        message: None,
        metrics: metrics.iter().map(metric).collect(),
    }
}

/// The names of the metrics that are to be looked at now.
pub fn due<'a>(bake: &Bake, metrics: &'a [MetricCheck], now: Timestamp) -> Vec<&'a MetricCheck> {
    let is_due = |check: &&MetricCheck| left(bake, check, now) == Some(Duration::ZERO);
    metrics.iter().filter(is_due).collect()
}

/// Until the next look; `None`: there is none to come.
pub fn next(bake: &Bake, metrics: &[MetricCheck], now: Timestamp) -> Option<Duration> {
    metrics.iter().filter_map(|check| left(bake, check, now)).min()
}

/// Until this metric is to be looked at; `None`: it was watched for long enough.
fn left(bake: &Bake, check: &MetricCheck, now: Timestamp) -> Option<Duration> {
    if bake.result != BakeResult::Baking {
        return None;
    }
    let metric = bake.metrics.iter().find(|metric| metric.name == check.name.as_str())?;
    if is_done(metric, check) {
        return None;
    }
    let pause = match metric.unread_since {
        Some(_) => check.interval_seconds,
        None => check.interval_seconds.min(check.bake_seconds.saturating_sub(metric.watched_seconds)),
    };
    let since = seconds(&metric.looked_at, now);
    // A clock that was put back must not keep it waiting.
    let left = i64::from(pause) - if since < 0 { i64::from(pause) } else { since };
    Some(Duration::from_secs(u64::try_from(left).unwrap_or(0)))
}

fn is_done(metric: &BakedMetric, check: &MetricCheck) -> bool {
    metric.value.is_some() && metric.unread_since.is_none() && metric.watched_seconds >= check.bake_seconds
}

/// The watch after a look at the metrics that were due.
pub fn look(
    mut bake: Bake,
    metrics: &[MetricCheck],
    readings: &BTreeMap<String, Reading>,
    now: Timestamp,
) -> Bake {
    let (mut breached, mut blind) = (Vec::new(), Vec::new());
    for check in due(&bake, metrics, now) {
        let Some(reading) = readings.get(check.name.as_str()) else { continue };
        let Some(metric) = bake.metrics.iter_mut().find(|m| m.name == check.name.as_str()) else { continue };
        let since = seconds(&metric.looked_at, now);
        let interval = i64::from(check.interval_seconds);
        match judge(check, reading) {
            Verdict::Holds(value) => {
                let unbroken = metric.unread_since.is_none() && (0..=GAP * interval).contains(&since);
                let watched = if unbroken { u32::try_from(since).unwrap_or(0) } else { 0 };
                metric.watched_seconds = metric.watched_seconds.saturating_add(watched);
                metric.value = Some(value);
                metric.unread_since = None;
            }
            Verdict::Breached(why) => breached.push(why),
            Verdict::Unread(why) => {
                let first = metric.unread_since.get_or_insert_with(|| whole(now)).clone();
                if seconds(&first, now) >= (BLIND.0 * interval).max(BLIND.1) {
                    blind.push(format!("{why}, for {} s now", seconds(&first, now)));
                } else {
                    metric.value = None;
                    bake.message = Some(why);
                }
            }
        }
        metric.looked_at = whole(now);
    }
    let all_done = metrics.iter().all(|check| {
        bake.metrics.iter().any(|metric| metric.name == check.name.as_str() && is_done(metric, check))
    });
    if bake.metrics.iter().all(|metric| metric.unread_since.is_none()) {
        bake.message = None;
    }
    if !breached.is_empty() {
        (bake.result, bake.message) = (BakeResult::Failed, Some(breached.join("; ")));
    } else if !blind.is_empty() {
        (bake.result, bake.message) = (BakeResult::Unread, Some(blind.join("; ")));
    } else if all_done {
        bake.result = BakeResult::Passed;
    }
    bake
}

/// How far it is, for people.
pub fn told(bake: &Bake, metrics: &[MetricCheck]) -> String {
    let of = |check: &MetricCheck| {
        let metric = bake.metrics.iter().find(|metric| metric.name == check.name.as_str())?;
        let value = match (&metric.value, &metric.unread_since) {
            (_, Some(_)) => "cannot be read".to_owned(),
            (Some(value), _) => format!("is {value}"),
            (None, None) => "was not looked at yet".to_owned(),
        };
        let (limit, whole) = (&check.threshold, check.bake_seconds);
        let time = format!("{} of {whole} s", metric.watched_seconds.min(whole));
        Some(format!("{} {value} ({} {}), {time}", check.name, limit.operator, limit.value))
    };
    let all: Vec<String> = metrics.iter().filter_map(of).collect();
    let mut said = format!("the change is there and its metrics are watched: {}", all.join("; "));
    if let Some(why) = &bake.message {
        said += &format!("; {why}");
    }
    said
}

/// Kubernetes stores times in whole seconds.
fn whole(time: Timestamp) -> Time {
    Time(Timestamp::from_second(time.as_second()).unwrap_or(time))
}

fn seconds(since: &Time, now: Timestamp) -> i64 {
    now.as_second() - since.0.as_second()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checks(bake: u32) -> Vec<MetricCheck> {
        let check = |name: &str, interval: u32| {
            serde_json::from_value(json!({
                "name": name, "source": "External", "metricName": name, "bakeSeconds": bake,
                "intervalSeconds": interval, "threshold": { "operator": "<", "value": "500" },
            }))
            .unwrap()
        };
        vec![check("latency", 15)]
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    /// The second of a look, and what is read.
    enum Seen {
        Value(f64),
        Nothing,
    }
    use Seen::{Nothing, Value};

    /// Watches, and says after each look: the result, the seconds that count, and when the next look is due.
    fn watched(checks: &[MetricCheck], looks: &[(i64, Seen)]) -> Vec<(BakeResult, u32, Option<u64>)> {
        let mut bake = begin("job", checks, at(0));
        let mut said = Vec::new();
        for (second, seen) in looks {
            let reading = match seen {
                Value(value) => Ok(vec![*value]),
                Nothing => Err("no answer".to_owned()),
            };
            bake = look(bake, checks, &BTreeMap::from([("latency".to_owned(), reading)]), at(*second));
            // As it is read from the API again.
            bake = serde_json::from_value(serde_json::to_value(&bake).unwrap()).unwrap();
            let next = next(&bake, checks, at(*second)).map(|d| d.as_secs());
            said.push((bake.result, bake.metrics[0].watched_seconds, next));
        }
        said
    }

    use BakeResult::{Baking, Failed, Passed, Unread};

    #[test]
    fn every_look_of_the_time_must_be_fulfilled() {
        let good = [(15, Value(1.0)), (30, Value(499.0)), (45, Value(1.0)), (60, Value(1.0))];
        assert_eq!(
            watched(&checks(60), &good),
            [(Baking, 15, Some(15)), (Baking, 30, Some(15)), (Baking, 45, Some(15)), (Passed, 60, None)]
        );
        let bad = [(15, Value(1.0)), (30, Value(812.0)), (45, Value(1.0))];
        assert_eq!(
            watched(&checks(60), &bad),
            [(Baking, 15, Some(15)), (Failed, 15, None), (Failed, 15, None)],
            "what failed stays so"
        );
        // The last look is at the end, also where that is not a whole interval.
        assert_eq!(watched(&checks(20), &[(15, Value(1.0)), (20, Value(1.0))])[0], (Baking, 15, Some(5)));
        // What is looked at before it is due is left as it was.
        assert_eq!(watched(&checks(60), &[(3, Value(812.0))]), [(Baking, 0, Some(12))]);
    }

    #[test]
    fn without_a_time_there_is_one_look_at_once() {
        assert_eq!(watched(&checks(0), &[(0, Value(1.0))]), [(Passed, 0, None)]);
        assert_eq!(watched(&checks(0), &[(0, Value(812.0))]), [(Failed, 0, None)]);
        assert_eq!(
            watched(&checks(0), &[(0, Nothing), (15, Value(1.0))]),
            [(Baking, 0, Some(15)), (Passed, 0, None)]
        );
    }

    #[test]
    fn time_in_which_nobody_looked_does_not_count() {
        // The operator was away from second 15 to 500.
        let away =
            [(15, Value(1.0)), (500, Value(1.0)), (515, Value(1.0)), (530, Value(1.0)), (545, Value(1.0))];
        assert_eq!(
            watched(&checks(60), &away),
            [
                (Baking, 15, Some(15)),
                (Baking, 15, Some(15)),
                (Baking, 30, Some(15)),
                (Baking, 45, Some(15)),
                (Passed, 60, None)
            ]
        );
        // A little late is no gap.
        assert_eq!(watched(&checks(60), &[(15, Value(1.0)), (40, Value(1.0))])[1], (Baking, 40, Some(15)));
        // The clock was put back: nothing counts, and it is looked at again.
        assert_eq!(watched(&checks(60), &[(15, Value(1.0)), (-100, Value(1.0))])[1], (Baking, 15, Some(15)));
    }

    #[test]
    fn what_cannot_be_read_is_no_pass_and_not_waited_for_for_ever() {
        let back = [(15, Value(1.0)), (30, Nothing), (45, Value(1.0)), (60, Value(1.0))];
        assert_eq!(
            watched(&checks(60), &back),
            [(Baking, 15, Some(15)), (Baking, 15, Some(15)), (Baking, 15, Some(15)), (Baking, 30, Some(15))]
        );
        let never: Vec<(i64, Seen)> = (1..=21).map(|n| (n * 15, Nothing)).collect();
        let said = watched(&checks(60), &never);
        assert_eq!(said[19], (Baking, 0, Some(15)));
        assert_eq!(said[20], (Unread, 0, None));
    }

    #[test]
    fn each_metric_has_its_own_time() {
        let mut checks = checks(30);
        checks.push(checks[0].clone());
        checks[1].name = "errors".into();
        checks[1].bake_seconds = 0;
        let bake = begin("job", &checks, at(0));
        let names = |bake: &Bake, second| -> Vec<String> {
            due(bake, &checks, at(second)).into_iter().map(|c| c.name.to_string()).collect()
        };
        assert_eq!(names(&bake, 0), ["errors"]);
        let bake = look(bake, &checks, &BTreeMap::from([("errors".to_owned(), Ok(vec![1.0]))]), at(0));
        assert_eq!((bake.result, names(&bake, 15)), (Baking, vec!["latency".to_owned()]));
        assert_eq!(
            told(&bake, &checks),
            "the change is there and its metrics are watched: latency was not looked at yet (< 500), 0 of 30 s; \
             errors is 1 (< 500), 0 of 0 s"
        );
    }
}
