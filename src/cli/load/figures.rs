//! What was measured, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::bare::Replayed;
use super::process::Used;
use super::times::{Spread, millis};
use crate::cli::exit::Exit;
use crate::cli::report::Report;
use crate::lab::LimitUse;
use crate::model::time::print_duration;

/// What was asked for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) alerts: usize,
    pub(super) latency: Duration,
    pub(super) rate: Option<f64>,
    pub(super) limited: bool,
}

/// What the daemon did.
#[derive(Debug, Clone)]
pub(super) struct Done {
    /// From its start until the last comment stood.
    pub(super) took: Duration,
    /// For so long of that a comment waits for more to tell, whatever there is to do.
    pub(super) waits: Duration,
    /// From its start until the last effect was made.
    pub(super) last_effect: Duration,
    /// From visible to effect.
    pub(super) until_effect: Option<Spread>,
    /// Its own part of that, where alerts came one by one.
    pub(super) own: Option<Spread>,
    /// How many calls of each kind.
    pub(super) calls: BTreeMap<String, u64>,
    /// How many calls were under way on average.
    pub(super) together: f64,
    pub(super) throttled: usize,
    pub(super) used: Used,
    /// What the tenant's process used.
    pub(super) tenant: Used,
    pub(super) limits: Vec<LimitUse>,
    /// What it said itself at its end, where it ended by itself.
    pub(super) said: Value,
}

impl Done {
    /// How long it took, but for the wait of the last comment.
    fn worked(&self) -> Duration {
        self.took.saturating_sub(self.waits)
    }
}

/// All of it.
#[derive(Debug, Clone)]
pub(super) struct Figures {
    pub(super) asked: Asked,
    pub(super) daemon: Option<Done>,
    pub(super) bare: Option<Replayed>,
    /// What is not as it should be; empty is good.
    pub(super) wrong: Vec<String>,
}

impl Figures {
    /// The report. It is no where something is not as it should be.
    pub(super) fn report(&self) -> Report {
        let mut report = Report::new(self.text(), self.json());
        report.exit = if self.wrong.is_empty() { Exit::Done } else { Exit::No };
        report
    }

    fn per_second(&self, took: Duration) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "at most 100,000 alerts")]
        let alerts = self.asked.alerts as f64;
        (alerts / took.as_secs_f64().max(0.001) * 10.0).round() / 10.0
    }

    /// What the daemon makes of the rate that the bare client reaches.
    fn ratio(&self) -> Option<f64> {
        let (daemon, bare) = self.daemon.as_ref().zip(self.bare)?;
        Some((bare.took.as_secs_f64() / daemon.worked().as_secs_f64().max(0.001) * 100.0).round() / 100.0)
    }

    /// What could not be measured, and why.
    fn not_measured(&self) -> Vec<&'static str> {
        let mut missing = Vec::new();
        let unsaid = |used: &Used| used.peak.is_none() || used.processor.is_none();
        if self.daemon.as_ref().is_some_and(|daemon| unsaid(&daemon.used) || unsaid(&daemon.tenant)) {
            missing.push("memory and processor time: this system has no /proc");
        }
        if self.daemon.as_ref().is_some_and(|daemon| daemon.until_effect.is_none()) {
            missing.push("the time from visible to effect: no effect was made");
        }
        if self.asked.rate.is_none() && self.daemon.is_some() {
            missing.push("the daemon's own time per alert: alerts that are there all at once wait for each other; --rate N/s shows it");
        }
        if self.daemon.is_some() && self.bare.is_none() {
            missing.push("the bare client: it has neither paces nor limits to keep, so it runs without --rate and --limited only");
        }
        missing
    }

    fn json(&self) -> Value {
        let asked = json!({
            "alerts": self.asked.alerts, "latency_ms": millis(self.asked.latency),
            "rate": self.asked.rate, "limited": self.asked.limited,
        });
        let daemon = self.daemon.as_ref().map(|daemon| self.daemon_json(daemon));
        let bare = self.bare.map(|bare| {
            json!({
                "seconds": seconds(bare.took), "alerts_per_second": self.per_second(bare.took),
                "processor_seconds": bare.processor.map(seconds), "calls_under_way": tenth(bare.together),
                "answered_otherwise": bare.different,
            })
        });
        json!({
            "asked": asked, "daemon": daemon, "bare": bare, "ratio": self.ratio(),
            "not_measured": self.not_measured(), "wrong": self.wrong,
        })
    }

    fn daemon_json(&self, daemon: &Done) -> Value {
        let limits: Vec<Value> = daemon.limits.iter().map(|limit| json!(limit)).collect();
        json!({
            "seconds": seconds(daemon.took), "waits_seconds": seconds(daemon.waits),
            "alerts_per_second": self.per_second(daemon.worked()),
            "seconds_until_last_effect": seconds(daemon.last_effect),
            "effects_per_second": self.per_second(daemon.last_effect),
            "visible_to_effect_ms": daemon.until_effect.map(Spread::json), "own_ms": daemon.own.map(Spread::json),
            "calls": daemon.calls,
            "calls_under_way": tenth(daemon.together), "answered_429": daemon.throttled,
            "processor_seconds": daemon.used.processor.map(seconds), "peak_memory_kib": daemon.used.peak,
            "tenant_processor_seconds": daemon.tenant.processor.map(seconds), "tenant_peak_memory_kib": daemon.tenant.peak,
            "limits": limits, "said": daemon.said,
        })
    }

    fn text(&self) -> String {
        let asked = &self.asked;
        let mut text = format!("{} alerts, {} for each answer", asked.alerts, print_duration(asked.latency));
        match asked.rate {
            Some(rate) => text.push_str(&format!(", {rate} of them each second")),
            None => text.push_str(", all there at the start"),
        }
        text.push_str(if asked.limited { ", documented limits\n" } else { ", no limits\n" });
        if let Some(daemon) = &self.daemon {
            self.daemon_text(daemon, &mut text);
        }
        if let Some(bare) = self.bare {
            line(
                &mut text,
                "bare client",
                &format!("{} alerts/s, {} s", self.per_second(bare.took), seconds(bare.took)),
            );
            line(&mut text, "  processor time", &said(bare.processor.map(seconds), "s"));
            line(&mut text, "  calls", &format!("{} under way at once", tenth(bare.together)));
            if bare.different > 0 {
                line(&mut text, "  answered otherwise", &format!("{} calls: the ratio is worth less", bare.different));
            }
        }
        if let Some(ratio) = self.ratio() {
            line(&mut text, "daemon to bare client", &format!("{ratio}"));
        }
        for missing in self.not_measured() {
            line(&mut text, "not measured", missing);
        }
        for wrong in &self.wrong {
            line(&mut text, "WRONG", wrong);
        }
        if self.wrong.is_empty() && self.daemon.is_some() {
            line(&mut text, "tenant", "every alert is handled, each effect was made once, each comment stands once");
        }
        text
    }

    fn daemon_text(&self, daemon: &Done, text: &mut String) {
        let rate = |took| format!("{} alerts/s, {} s", self.per_second(took), seconds(took));
        let waits = print_duration(daemon.waits);
        let until = format!("until the last comment, without the {waits} for which it waits for more to tell");
        line(text, "daemon", &format!("{}, {until}", rate(daemon.worked())));
        line(text, "  until the last effect", &rate(daemon.last_effect));
        for (what, spread) in [("  visible to effect", daemon.until_effect), ("  of that its own", daemon.own)] {
            if let Some(Spread { p50, p99, max }) = spread {
                let [p50, p99, max] = [p50, p99, max].map(millis);
                line(text, what, &format!("p50 {p50} ms, p99 {p99} ms, max {max} ms"));
            }
        }
        line(text, "  peak memory", &said(daemon.used.peak, "KiB"));
        line(text, "  processor time", &said(daemon.used.processor.map(seconds), "s"));
        line(text, "  the tenant's", &said(daemon.tenant.processor.map(seconds), "s"));
        let all: u64 = daemon.calls.values().sum();
        line(text, "  calls", &format!("{} an alert, {} under way at once", self.each(all), tenth(daemon.together)));
        for (kind, count) in &daemon.calls {
            line(text, &format!("  {:>8}", self.each(*count)), &short(kind));
        }
        for limit in &daemon.limits {
            line(text, &format!("  limit {}", limit.name), &used(limit));
        }
        if self.asked.limited {
            line(text, "  answered 429", &daemon.throttled.to_string());
        }
    }

    /// So many for each alert.
    fn each(&self, count: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "counts of calls")]
        let each = count as f64 / self.asked.alerts.max(1) as f64;
        (each * 100.0).round() / 100.0
    }
}

/// A kind of call without the long beginnings that Azure's paths have.
fn short(kind: &str) -> String {
    let (method, path) = kind.split_once(' ').unwrap_or(("", kind));
    let end = path.rsplit_once("/providers/").map_or(path, |(_, end)| end);
    if end == path { kind.to_owned() } else { format!("{method} .../{end}") }
}

/// How far a limit was used.
fn used(limit: &LimitUse) -> String {
    let percent = limit.most * 100 / limit.calls.max(1);
    let crossed =
        if limit.refused == 0 { "not crossed".to_owned() } else { format!("CROSSED {} times", limit.refused) };
    let (calls, window) = (limit.calls, print_duration(Duration::from_secs(limit.window_seconds)));
    format!(
        "{calls} in {window}: at most {} ({percent}%), {} in all, {crossed}",
        limit.most,
        limit.allowed + limit.refused
    )
}

fn line(text: &mut String, what: &str, words: &str) {
    let _ = writeln!(text, "{what:<24}{words}");
}

fn said<T: std::fmt::Display>(figure: Option<T>, unit: &str) -> String {
    figure.map_or_else(|| "unknown".to_owned(), |figure| format!("{figure} {unit}"))
}

/// Seconds, to a hundredth.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 100.0).round() / 100.0
}

fn tenth(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        let second = Duration::from_secs(1);
        let used = Used { peak: Some(70_000), memory: Some(60_000), own: Some(9_000), processor: Some(second) };
        let limit =
            LimitUse { name: "hunting".into(), calls: 45, window_seconds: 60, most: 44, allowed: 100, refused: 0 };
        let daemon = Done {
            took: 30 * second,
            waits: 20 * second,
            last_effect: 4 * second,
            until_effect: Some(Spread { p50: second, p99: 2 * second, max: 3 * second }),
            own: None,
            calls: BTreeMap::from([
                ("GET /v1.0/users".to_owned(), 60),
                ("PUT /a/providers/b/providers/S/incidents/{id}/comments/{id}".to_owned(), 30),
            ]),
            together: 7.25,
            throttled: 0,
            used,
            tenant: Used::default(),
            limits: vec![limit],
            said: Value::Null,
        };
        let bare = Replayed { took: 8 * second, processor: None, together: 8.0, different: 0 };
        let asked = Asked { alerts: 30, latency: Duration::from_millis(50), rate: None, limited: true };
        Figures { asked, daemon: Some(daemon), bare: Some(bare), wrong: Vec::new() }
    }

    #[test]
    fn every_figure_has_a_line_and_what_is_unknown_says_so() {
        insta::assert_snapshot!(figures().report().text, @r"
        30 alerts, 50ms for each answer, all there at the start, documented limits
        daemon                  3 alerts/s, 10 s, until the last comment, without the 20s for which it waits for more to tell
          until the last effect 7.5 alerts/s, 4 s
          visible to effect     p50 1000 ms, p99 2000 ms, max 3000 ms
          peak memory           70000 KiB
          processor time        1 s
          the tenant's          unknown
          calls                 3 an alert, 7.3 under way at once
                 2              GET /v1.0/users
                 1              PUT .../S/incidents/{id}/comments/{id}
          limit hunting         45 in 1m: at most 44 (97%), 100 in all, not crossed
          answered 429          0
        bare client             3.8 alerts/s, 8 s
          processor time        unknown
          calls                 8 under way at once
        daemon to bare client   0.8
        not measured            memory and processor time: this system has no /proc
        not measured            the daemon's own time per alert: alerts that are there all at once wait for each other; --rate N/s shows it
        tenant                  every alert is handled, each effect was made once, each comment stands once
        ");
    }

    #[test]
    fn the_ratio_is_of_rates_and_a_mistake_is_a_no() {
        let mut figures = figures();
        assert_eq!(figures.ratio(), Some(0.8));
        assert_eq!(figures.report().exit, Exit::Done);
        figures.wrong.push("load-00001: not handled".into());
        let report = figures.report();
        assert_eq!(report.exit, Exit::No);
        assert!(report.text.contains("WRONG") && report.json["wrong"][0] == "load-00001: not handled");
    }

    #[test]
    fn a_limit_that_was_crossed_is_told() {
        let mut limit = figures().daemon.unwrap().limits.remove(0);
        assert_eq!(super::used(&limit), "45 in 1m: at most 44 (97%), 100 in all, not crossed");
        limit.refused = 2;
        assert!(super::used(&limit).contains("CROSSED 2 times"));
    }
}
