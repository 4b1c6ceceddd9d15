//! What is measured: each scenario's cases, figures, ratios, and what they must show (the numbers are the design's and the issues').

mod delivery;
mod publishing;
mod scale;

use crate::args::Group;
use crate::contestant::Contestant;
use crate::crowd::Crowd;
use crate::figure::{Bound, Figure, Want};
use crate::rig::Load;
use crate::storm::Storm;

/// One table of the report.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// What each pair runs, in this order and the other in turn.
    pub(crate) cases: Vec<Case>,
    /// Figures the table has, where a case has them.
    pub(crate) figures: &'static [Figure],
    /// Which case is shown over which, by label.
    pub(crate) ratios: Vec<(&'static str, &'static str)>,
    pub(crate) wants: Vec<Want>,
    /// Whether a case is added to each pair by calculation: the budget of a single publish.
    pub(crate) has_budget: bool,
}

/// One run of a pair.
#[derive(Debug)]
pub(crate) struct Case {
    /// Its name in tables, unique in its scenario.
    pub(crate) label: &'static str,
    pub(crate) work: Work,
}

/// What a run does.
#[derive(Debug)]
pub(crate) enum Work {
    /// The rig against a server.
    Rig { contestant: Contestant, load: Load },
    /// Publishing over many topics, for so many seconds.
    Topics { contestant: Contestant, topics: usize, secs: f64 },
    /// Idle streams over HTTP/2: so many connections with so many streams each.
    Streams { contestant: Contestant, connections: usize, streams: usize },
    /// Subscribers in any arrangement, by this program's own client.
    Crowd { contestant: Contestant, crowd: Crowd },
    /// Everybody returns at once.
    Storm { contestant: Contestant, storm: Storm },
    /// The file system's own sync, for so many seconds.
    Sync { secs: f64 },
}

/// The label of the file system's sync.
pub(crate) const SYNC: &str = "sync";

/// The label of what a single publish may take: a sync, the floor's answer, and 50 µs.
pub(crate) const BUDGET: &str = "sync + floor + 50 µs";

/// The scenarios of a group. `secs` replaces the seconds of publishing; `has` says who takes part.
pub(crate) fn of(group: Group, secs: Option<f64>, has: &dyn Fn(Contestant) -> bool) -> Vec<Scenario> {
    let mut scenarios = match group {
        Group::Publish => publishing::publish(secs),
        Group::Topics => vec![publishing::topics(secs)],
        Group::Hold => vec![delivery::hold()],
        Group::HoldH2 => vec![delivery::hold_h2()],
        Group::Fanout => delivery::fanout(secs),
        Group::Replay => vec![delivery::replay()],
        Group::Spread => vec![delivery::spread(secs)],
        Group::Stuck => vec![scale::stuck(secs)],
        Group::Many => scale::many(secs),
        Group::Wide => vec![scale::wide(secs)],
        Group::Curves => scale::curves(secs),
        Group::Storm => vec![scale::storm()],
    };
    scenarios.iter_mut().for_each(|scenario| scenario.keep(has));
    scenarios
}

impl Scenario {
    /// The rig's command, where all cases have the same.
    pub(crate) fn command(&self) -> Option<String> {
        let mut loads = self.cases.iter().filter_map(|case| match &case.work {
            Work::Rig { load, .. } => Some(load),
            Work::Topics { .. } | Work::Streams { .. } | Work::Sync { .. } => None,
            Work::Crowd { .. } | Work::Storm { .. } => None,
        });
        loads.next().map(Load::text)
    }

    /// Leaves out who takes no part, and all that is said of them.
    fn keep(&mut self, has: &dyn Fn(Contestant) -> bool) {
        self.cases.retain(|case| match &case.work {
            Work::Rig { contestant, .. } | Work::Topics { contestant, .. } | Work::Streams { contestant, .. } => {
                has(*contestant)
            }
            Work::Crowd { contestant, .. } | Work::Storm { contestant, .. } => has(*contestant),
            Work::Sync { .. } => true,
        });
        let cases = &self.cases;
        let has_budget = self.has_budget;
        let is_there = |label: &str| (has_budget && label == BUDGET) || cases.iter().any(|case| case.label == label);
        self.ratios.retain(|(of, over)| is_there(of) && is_there(over));
        self.wants.retain(|want| is_there(want.of) && want.over.is_none_or(is_there));
    }
}

/// A scenario in which everybody has the same load, and Tidings is shown over everybody else.
fn side_by_side(
    name: &'static str,
    title: &'static str,
    contestants: &[Contestant],
    load: &Load,
    figures: &'static [Figure],
    wants: &[(Figure, Option<Contestant>, Bound)],
) -> Scenario {
    let case = |&contestant: &Contestant| Case {
        label: contestant.name(),
        work: Work::Rig { contestant, load: load.clone() },
    };
    let tidings = Contestant::Tidings.name();
    let others = contestants.iter().filter(|&&contestant| contestant != Contestant::Tidings);
    let want = |&(figure, over, bound): &(Figure, Option<Contestant>, Bound)| Want {
        figure,
        of: tidings,
        over: over.map(Contestant::name),
        bound,
    };
    Scenario {
        name,
        title,
        cases: contestants.iter().map(case).collect(),
        figures,
        ratios: others.map(|other| (tidings, other.name())).collect(),
        wants: wants.iter().map(want).collect(),
        has_budget: false,
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    fn all(has: &dyn Fn(Contestant) -> bool) -> Vec<Scenario> {
        Group::value_variants().iter().flat_map(|group| of(*group, None, has)).collect()
    }

    #[test]
    fn whatever_is_said_is_said_of_a_case_and_a_figure_that_are_there() {
        for scenario in all(&|_| true) {
            let labels: Vec<&str> = scenario.cases.iter().map(|case| case.label).collect();
            let known = |label: &str| labels.contains(&label) || (scenario.has_budget && label == BUDGET);
            let name = scenario.name;
            assert!(scenario.ratios.iter().all(|(of, over)| known(of) && known(over)), "{name}");
            assert!(labels.iter().enumerate().all(|(at, label)| !labels[..at].contains(label)), "{name}: {labels:?}");
            assert!(!scenario.wants.is_empty(), "{name}: a scenario without a want shows nothing");
            for want in &scenario.wants {
                assert!(scenario.figures.contains(&want.figure), "{name}: {want:?}");
                let shown = want.over.is_none_or(|over| scenario.ratios.contains(&(want.of, over)));
                assert!(known(want.of) && shown, "{name}: {want:?}");
            }
        }
    }

    #[test]
    fn who_takes_no_part_is_not_spoken_of() {
        let has = |contestant| matches!(contestant, Contestant::Tidings | Contestant::Floor);
        for scenario in all(&has) {
            let labels: Vec<&str> = scenario.cases.iter().map(|case| case.label).collect();
            assert!(labels.iter().any(|label| label.starts_with("Tidings")), "{labels:?}");
            assert!(!labels.iter().any(|label| label.starts_with("DS")), "{labels:?}");
            assert!(scenario.ratios.iter().all(|(_, over)| !over.starts_with("DS")), "{:?}", scenario.ratios);
            let said = |want: &Want| want.over.is_some_and(|over| over.starts_with("DS"));
            assert!(!scenario.wants.iter().any(said), "{:?}", scenario.wants);
        }
    }

    #[test]
    fn seconds_are_replaced() {
        let text = of(Group::Spread, Some(1.5), &|_| true)[0].command();
        assert_eq!(
            text.as_deref(),
            Some("rig fanout --conns 5000 --topics 5000 --rate 2000 --publishers 4 --secs 1.5")
        );
    }
}
