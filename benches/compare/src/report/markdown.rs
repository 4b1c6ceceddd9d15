//! The report as Markdown: what must be shown, then a table of figures and one of ratios for each scenario, every pair in them.

use std::fmt::Write as _;

use super::{Report, Row, rows};
use crate::figure::Bound;
use crate::rounds::Measured;

impl Report {
    /// The whole report, to be put into docs/benchmarks.md as it is.
    pub(crate) fn markdown(&self) -> String {
        let mut out = format!("`{}`: {}, on {}.\n", self.plan, self.tidings, self.machine.text());
        out.push_str(&wanted(&self.results));
        for measured in &self.results {
            out.push_str(&scenario(measured));
        }
        out
    }
}

/// All that must be shown, in one table.
fn wanted(results: &[Measured]) -> String {
    let mut out = "\n| scenario | figure | of | median | range | wanted |\n|---|---|---|---|---|---|\n".to_owned();
    for measured in results {
        for row in rows(measured).iter().filter(|row| row.want.is_some()) {
            line(&mut out, &format!("| {} | {} |", measured.scenario.name, head(row)));
        }
    }
    out
}

fn scenario(measured: &Measured) -> String {
    let scenario = &measured.scenario;
    let mut out = format!("\n### {}: {}\n\n", scenario.name, scenario.title);
    if let Some(command) = scenario.command() {
        line(&mut out, &format!("`{command}`\n"));
    }
    let (ratios, figures): (Vec<Row>, Vec<Row>) = rows(measured).into_iter().partition(|row| row.over.is_some());
    table(&mut out, "figure", &figures, measured.pairs.len());
    out.push('\n');
    table(&mut out, "ratio", &ratios, measured.pairs.len());
    let flaws: Vec<String> =
        measured.flaws().map(|(pair, label, why)| format!("- **no figure**: {label}, pair {pair}: {why}")).collect();
    if !flaws.is_empty() {
        line(&mut out, &format!("\n{}", flaws.join("\n")));
    }
    out
}

fn table(out: &mut String, kind: &str, rows: &[Row], pairs: usize) {
    if rows.is_empty() {
        return;
    }
    let numbers = |cell: fn(usize) -> String| (1..=pairs).map(cell).collect::<Vec<_>>().join(" | ");
    line(out, &format!("| {kind} | of | median | range | wanted | {} |", numbers(|pair| format!("pair {pair}"))));
    line(out, &format!("|---|---|---|---|---|{}|", "---|".repeat(pairs).trim_end_matches('|')));
    for row in rows {
        line(out, &cells(row));
    }
}

fn cells(row: &Row) -> String {
    let values: Vec<String> =
        row.values.iter().map(|value| value.map_or("–".to_owned(), |value| show(row, value))).collect();
    format!("| {} | {} |", head(row), values.join(" | "))
}

/// A row's cells but for its pairs.
fn head(row: &Row) -> String {
    let sign = if row.figure.is_difference() { '−' } else { '/' };
    let of = row.over.map_or(row.of.to_owned(), |over| format!("{} {sign} {over}", row.of));
    let (median, range) = row.summary().map_or_else(
        || ("–".to_owned(), "–".to_owned()),
        |seen| (show(row, seen.median), format!("{} to {}", show(row, seen.min), show(row, seen.max))),
    );
    let wanted = row.want.map_or(String::new(), |want| verdict(want.bound, row.is_met()));
    format!("{} | {of} | {median} | {range} | {wanted}", row.figure.name)
}

/// A value as its row shows it. Ratios keep two places behind the point, whatever the figure's own.
fn show(row: &Row, value: f64) -> String {
    number(value, if row.over.is_some() && !row.figure.is_difference() { 2 } else { row.figure.decimals })
}

fn verdict(bound: Bound, is_met: Option<bool>) -> String {
    match is_met {
        Some(true) => format!("{}: met", bound.text()),
        Some(false) => format!("{}: **missed**", bound.text()),
        None => format!("{}: **no figure**", bound.text()),
    }
}

/// With commas at the thousands.
fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let whole = text.find('.').unwrap_or(text.len());
    let digits = text.starts_with('-').into();
    let mut out = String::new();
    for (at, character) in text.char_indices() {
        if at > digits && at < whole && (whole - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(character);
    }
    out
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("a String takes all");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas_at_the_thousands() {
        let check = |value, decimals, expect| assert_eq!(number(value, decimals), expect);
        check(0.0, 0, "0");
        check(999.4, 0, "999");
        check(1_000.0, 0, "1,000");
        check(1_234_567.891, 1, "1,234,567.9");
        check(0.1234, 3, "0.123");
        check(-123.0, 0, "-123");
        check(-1_234.0, 0, "-1,234");
    }
}
