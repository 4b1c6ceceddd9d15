//! The rig: its command, its answer, and what makes an answer worthless.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::process::Process;
use crate::server::Server;

/// What the rig may take beside the seconds it publishes for: its own bounds on silence are 20 s for subscribing and 30 s for an answer.
const SLACK_MAX: Duration = Duration::from_secs(120);

/// Which share of a given rate must be reached, so that servers are compared under the same load.
const RATE_SHARE_MIN: f64 = 0.95;

/// One load: a verb of the rig's and its flags.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Load {
    pub(crate) verb: &'static str,
    /// Names without dashes.
    pub(crate) flags: Vec<(&'static str, f64)>,
}

impl Load {
    fn flag(&self, name: &str) -> Option<f64> {
        self.flags.iter().find(|(flag, _)| *flag == name).map(|(_, value)| *value)
    }

    /// Over how many topics it goes.
    pub(crate) fn topics(&self) -> usize {
        self.flag("topics").map_or(1, |topics| topics as usize)
    }

    /// How many publishes a server must take that keeps the rate: 0 where none is given.
    fn publishes_wanted(&self) -> f64 {
        self.flag("rate").unwrap_or(0.0) * self.flag("secs").unwrap_or(0.0) * RATE_SHARE_MIN
    }

    /// As it is typed, without what differs from run to run.
    pub(crate) fn text(&self) -> String {
        let flags = self.flags.iter().map(|(name, value)| format!(" --{name} {value}"));
        format!("rig {}{}", self.verb, flags.collect::<String>())
    }

    /// Runs it against a server, and gives its answer with `server_mib_growth` beside it.
    ///
    /// # Errors
    /// The rig failed or took too long, or its answer is no figure: with what is wrong.
    pub(crate) fn run(&self, bench: &Bench, server: &Server) -> Result<Value> {
        let dir = bench.fresh_dir()?;
        let out = dir.path().join("out");
        let log = dir.path().join("log");
        let mut command = Command::new(&bench.programs.rig);
        command.arg(self.verb).arg("--target").arg(server.target());
        let ids: Vec<String> = server.ids().iter().map(ToString::to_string).collect();
        command.args(["--pids", &ids.join(",")]);
        for (name, value) in &self.flags {
            command.args([format!("--{name}"), value.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(std::fs::File::create(&out)?).stderr(std::fs::File::create(&log)?);
        let mut process = Process::start(&mut command)?;
        let time_max = SLACK_MAX + Duration::from_secs_f64(self.flag("secs").unwrap_or(0.0));
        match process.wait_until(Instant::now() + time_max)? {
            Some(true) => {}
            Some(false) => bail!("{}", std::fs::read_to_string(log)?.trim()),
            None => bail!("the rig did not end within {} s", time_max.as_secs()),
        }
        let mut answer: Value =
            serde_json::from_str(&std::fs::read_to_string(out)?).context("the rig's answer is JSON")?;
        if let (Some(before), Some(peak)) = (answer["server_mib_before"].as_u64(), answer["server_mib_peak"].as_u64()) {
            answer["server_mib_growth"] = json!(peak.saturating_sub(before));
        }
        flawless(answer, self.publishes_wanted())
    }
}

/// The answer of a run that is a figure, with at least so many publishes.
///
/// # Errors
/// It is none: with what is wrong.
pub(crate) fn flawless(answer: Value, publishes_wanted: f64) -> Result<Value> {
    match flaw(&answer, publishes_wanted) {
        Some(flaw) => bail!("{flaw}"),
        None => Ok(answer),
    }
}

/// What makes a run no figure: an event that is missing, doubled or out of order, a publish or subscription that failed, fewer publishes
/// than were wanted.
fn flaw(answer: &Value, publishes_wanted: f64) -> Option<String> {
    let count = |name: &str| answer[name].as_i64().unwrap_or(0);
    let counts = ["missing", "out_of_order", "failed", "publish_failed", "refused", "closed"];
    let mut flaws: Vec<String> =
        counts.iter().filter(|name| count(name) != 0).map(|name| format!("{name} {}", count(name))).collect();
    // The rig's one subscriber of `publish`: what it was not sent is missing, though the rig does not say so.
    if answer["delivered"].is_u64() && count("delivered") != count("published") {
        flaws.push(format!("{} published, {} delivered", count("published"), count("delivered")));
    }
    // By number, not by the rig's rate: that is rounded, and counts the wait for the last answer.
    if let Some(published) = answer["published"].as_f64().filter(|published| *published < publishes_wanted) {
        flaws.push(format!("{published} publishes, the rate asks for {publishes_wanted}"));
    }
    (!flaws.is_empty()).then(|| flaws.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(answer: &Value, wanted: f64, expect: Option<&str>) {
        assert_eq!(flaw(answer, wanted).as_deref(), expect, "{answer}");
    }

    #[test]
    fn a_good_run_has_no_flaw() {
        check(
            &json!({"missing": 0, "out_of_order": 0, "publish_failed": 0, "closed": 0, "publish_per_s": 10.0}),
            10.0,
            None,
        );
        check(&json!({"failed": 0, "published": 9, "delivered": 9}), 0.0, None);
        check(&json!({"failed": 0, "published": 9}), 0.0, None);
    }

    #[test]
    fn anything_lost_or_failed_is_a_flaw() {
        check(&json!({"missing": 2, "out_of_order": 0}), 0.0, Some("missing 2"));
        check(&json!({"missing": -1, "out_of_order": 3}), 0.0, Some("missing -1, out_of_order 3"));
        check(&json!({"publish_failed": 1}), 0.0, Some("publish_failed 1"));
        check(&json!({"failed": 1}), 0.0, Some("failed 1"));
        check(&json!({"refused": 1, "closed": 2}), 0.0, Some("refused 1, closed 2"));
        check(&json!({"published": 9, "delivered": 8}), 0.0, Some("9 published, 8 delivered"));
    }

    #[test]
    fn a_rate_that_was_not_reached_is_a_flaw() {
        let flags = vec![("rate", 1000.0), ("secs", 2.0)];
        let wanted = Load { verb: "fanout", flags }.publishes_wanted();
        check(&json!({"published": 1900}), wanted, None);
        check(&json!({"published": 1899}), wanted, Some("1899 publishes, the rate asks for 1900"));
    }

    #[test]
    fn a_load_is_shown_as_it_is_typed() {
        let load =
            Load { verb: "fanout", flags: vec![("conns", 500.0), ("rate", 0.0), ("secs", 1.5), ("topics", 7.0)] };
        assert_eq!(load.text(), "rig fanout --conns 500 --rate 0 --secs 1.5 --topics 7");
        assert_eq!(load.topics(), 7);
    }
}
