//! What is written down at the end: one report, as Markdown to read and as JSON to draw from.

mod json;
mod markdown;

use crate::figure::{Figure, Want};
use crate::machine::Machine;
use crate::rounds::Measured;
use crate::stats::{Summary, differences, ratios};

/// All of an invocation.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    /// The command, without paths.
    pub(crate) plan: String,
    pub(crate) tidings: String,
    pub(crate) results: Vec<Measured>,
}

impl Report {
    /// Whether every run is a figure.
    pub(crate) fn is_whole(&self) -> bool {
        self.results.iter().all(|measured| measured.flaws().next().is_none())
    }
}

/// A line of a table: a case's figure, or one case's over (or less) another's, pair by pair.
#[derive(Debug)]
struct Row {
    figure: Figure,
    of: &'static str,
    /// What it is divided by, or what is taken off; `None` for the figure itself.
    over: Option<&'static str>,
    want: Option<Want>,
    values: Vec<Option<f64>>,
}

impl Row {
    fn summary(&self) -> Option<Summary> {
        Summary::of(&self.values)
    }

    /// Whether the median is as it must be; `None` where nothing must be, or there is no figure.
    fn is_met(&self) -> Option<bool> {
        Some(self.want?.bound.holds(self.summary()?.median))
    }
}

/// All lines of a scenario's tables: figures first, then ratios. A line that no pair has a value for is left out, unless it is wanted.
fn rows(measured: &Measured) -> Vec<Row> {
    let scenario = &measured.scenario;
    let row = |figure, of, over: Option<&'static str>| {
        let values = measured.figures(of, figure);
        let beside = if figure.is_difference() { differences } else { ratios };
        let values = over.map_or(values.clone(), |over| beside(&values, &measured.figures(over, figure)));
        let want = scenario.wants.iter().find(|want| want.figure == figure && want.of == of && want.over == over);
        Row { figure, of, over, want: want.copied(), values }
    };
    let labels = measured.labels();
    let figures = scenario.figures.iter().flat_map(|&figure| labels.iter().map(move |&of| row(figure, of, None)));
    let ratios = scenario
        .figures
        .iter()
        .flat_map(|&figure| scenario.ratios.iter().map(move |&(of, over)| row(figure, of, Some(over))));
    figures.chain(ratios).filter(|row| row.want.is_some() || row.values.iter().any(Option::is_some)).collect()
}

#[cfg(test)]
mod tests;
