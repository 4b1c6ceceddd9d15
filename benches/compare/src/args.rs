//! The command line.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::launch::Programs;
use crate::scenario::{self, Scenario};

/// Runs Tidings, the floor and peers side by side, in interleaved pairs of fresh processes.
#[derive(Debug, Parser)]
#[command(name = "compare")]
pub(crate) struct Args {
    /// What to measure; several may be given
    #[arg(required = true, value_name = "SCENARIO")]
    groups: Vec<Group>,

    #[command(flatten)]
    pub(crate) programs: Programs,

    /// Directory, on the file system to measure on, below which every run gets a directory of its own
    #[arg(long, value_name = "DATA_ROOT")]
    pub(crate) dir: PathBuf,

    /// How often everything is run
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=99))]
    pub(crate) pairs: u16,

    /// Seconds of publishing in each run [default: by scenario, 4 or 5]
    #[arg(long, value_parser = secs)]
    secs: Option<f64>,

    /// Write all figures as JSON to this file too
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Draw what `curves` measures into this directory too, as SVG
    #[arg(long, value_name = "DIR")]
    pub(crate) plots: Option<PathBuf>,
}

/// A row of scenarios that belong together, and the word for it on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Group {
    /// 1, 16 and 128 publishers
    Publish,
    /// 16 publishers over 1,000, 100,000 and 1,000,000 topics
    Topics,
    /// 18,000 idle subscribers
    Hold,
    /// 18,000 idle subscribers over HTTP/2, 100 on each connection
    HoldH2,
    /// 5,000 subscribers at 10 events a second; 500 at full speed with 1 and 8 publishers
    Fanout,
    /// 500 subscribers return, 9,000 events behind
    Replay,
    /// 5,000 topics with one subscriber each, at 2,000 events a second
    Spread,
    /// 5,000 subscribers, of whom 500 do not read
    Stuck,
    /// 10,000 topics with one subscriber each; 1,000 patterns with 10 each
    Many,
    /// 2,000 subscribers of 1,000 topics each
    Wide,
    /// 1,000 to 18,000 subscribers, and events of 128 bytes to 16 KiB
    Curves,
    /// 18,000 subscribers return at once, 100 events behind
    Storm,
}

impl Args {
    /// What is measured, in the order of [`Group`], each group once.
    pub(crate) fn scenarios(&self) -> Vec<Scenario> {
        let has = |contestant| self.programs.has(contestant);
        let groups: BTreeSet<Group> = self.groups.iter().copied().collect();
        groups.into_iter().flat_map(|group| scenario::of(group, self.secs, &has)).collect()
    }

    /// The command as the report shows it: without paths, which are this machine's.
    pub(crate) fn plan(&self) -> String {
        let names = self.groups.iter().filter_map(ValueEnum::to_possible_value);
        let names: Vec<String> = names.map(|value| value.get_name().to_owned()).collect();
        let secs = self.secs.map(|secs| format!(" --secs {secs}")).unwrap_or_default();
        format!("compare {} --pairs {}{secs}", names.join(" "), self.pairs)
    }
}

/// Below half a second a run is its own beginning; ten minutes is longer than anything settles.
fn secs(text: &str) -> Result<f64, &'static str> {
    let secs = text.parse().ok().filter(|secs| (0.5..=600.0).contains(secs));
    secs.ok_or("seconds are a number from 0.5 to 600")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: [&str; 6] = ["--tidings", "t", "--rig", "r", "--dir", "d"];

    fn parse(more: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from(["compare"].iter().chain(&NEEDED).chain(more).copied())
    }

    fn names(more: &[&str]) -> Vec<&'static str> {
        parse(more).expect("a good line").scenarios().iter().map(|scenario| scenario.name).collect()
    }

    #[test]
    fn groups_become_scenarios_once_each() {
        assert_eq!(names(&["publish", "publish"]), ["publish-1", "publish-16", "publish-128"]);
        assert_eq!(names(&["replay", "hold-h2", "topics"]), ["topics", "hold-h2", "replay"]);
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        for bad in [&["hold", "--pairs", "0"][..], &["hold", "--secs", "0.1"], &["hold", "--secs", "x"], &["no"], &[]] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_plan_names_no_path() {
        let args = parse(&["topics", "hold", "--secs", "2", "--pairs", "1", "--ds", "/x/ds"]).expect("a good line");
        assert_eq!(args.plan(), "compare topics hold --pairs 1 --secs 2");
    }
}
