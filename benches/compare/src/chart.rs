//! Costs over counts of subscribers, drawn: a line for each size of events and contestant, as an SVG.

use std::fmt::Write as _;

use crate::contestant::Contestant;
use crate::figure::{CONN_BYTES, DELIVERY_CPU, Figure};
use crate::rounds::Measured;
use crate::scenario::Work;
use crate::stats::Summary;

/// The picture, and the frame within it, in pixels: readable in a page's column, with the lines' names at its right.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 560.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 300.0;

/// About so many marks stand on a scale.
const TICKS: f64 = 6.0;

/// Apart in hue and in lightness.
const COLOURS: [&str; 3] = ["#0969da", "#bf8700", "#1a7f37"];

/// A line: its name, its points, and how it is drawn.
#[derive(Debug, PartialEq)]
struct Line {
    name: String,
    colour: &'static str,
    is_dashed: bool,
    points: Vec<(f64, f64)>,
}

/// The pictures of these results, by file name: none where no costs over counts were measured.
pub(crate) fn of(results: &[Measured]) -> Vec<(&'static str, String)> {
    let charts = [
        ("cpu-a-delivery.svg", "CPU a delivery, µs, at 20,000 deliveries a second", DELIVERY_CPU),
        ("bytes-a-subscriber.svg", "User bytes a subscriber", CONN_BYTES),
    ];
    let drawn = charts.map(|(file, title, figure)| (file, title, lines(results, figure)));
    drawn
        .into_iter()
        .filter(|(_, _, lines)| !lines.is_empty())
        .map(|(file, title, lines)| (file, svg(title, &lines)))
        .collect()
}

fn lines(results: &[Measured], figure: Figure) -> Vec<Line> {
    let curves = results.iter().filter(|measured| measured.scenario.name.starts_with("curve-"));
    let line = |(measured, colour): (&Measured, &'static str), who: Contestant| {
        let point = |case: &crate::scenario::Case| match &case.work {
            Work::Crowd { contestant, crowd } if *contestant == who => {
                let summary = Summary::of(&measured.figures(case.label, figure))?;
                Some((crowd.conns as f64, summary.median.max(0.0)))
            }
            _ => None,
        };
        let size = measured.scenario.title.split(',').next().unwrap_or_default();
        Line {
            name: format!("{who}, {size}"),
            colour,
            is_dashed: who == Contestant::Floor,
            points: measured.scenario.cases.iter().filter_map(point).collect(),
        }
    };
    let drawn =
        curves.zip(COLOURS).flat_map(|curve| [Contestant::Tidings, Contestant::Floor].map(|who| line(curve, who)));
    drawn.filter(|line| !line.points.is_empty()).collect()
}

fn svg(title: &str, lines: &[Line]) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let most = |of: fn(&(f64, f64)) -> f64| lines.iter().flat_map(|line| &line.points).map(of).fold(0.0, f64::max);
    let (x_ticks, y_ticks) = (ticks(most(|point| point.0)), ticks(most(|point| point.1)));
    let x = |value: f64| LEFT + (RIGHT - LEFT) * value / x_ticks[x_ticks.len() - 1].0;
    let y = |value: f64| BOTTOM - (BOTTOM - TOP) * value / y_ticks[y_ticks.len() - 1].0;
    text(&mut out, LEFT, 24.0, "start", title);
    text(&mut out, (LEFT + RIGHT) / 2.0, HEIGHT - 16.0, "middle", "subscribers");
    for (value, name) in &x_ticks {
        rule(&mut out, (x(*value), TOP), (x(*value), BOTTOM));
        text(&mut out, x(*value), BOTTOM + 18.0, "middle", name);
    }
    for (value, name) in &y_ticks {
        rule(&mut out, (LEFT, y(*value)), (RIGHT, y(*value)));
        text(&mut out, LEFT - 8.0, y(*value) + 4.0, "end", name);
    }
    for (at, line) in lines.iter().enumerate() {
        let dashes = if line.is_dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        let style = format!("fill=\"none\" stroke=\"{}\" stroke-width=\"2\"{dashes}", line.colour);
        let points: String = line.points.iter().map(|point| format!("{:.1},{:.1} ", x(point.0), y(point.1))).collect();
        put(&mut out, format_args!("<polyline {style} points=\"{}\"/>\n", points.trim_end()));
        for point in &line.points {
            put(
                &mut out,
                format_args!(
                    "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\" fill=\"{}\"/>\n",
                    x(point.0),
                    y(point.1),
                    line.colour
                ),
            );
        }
        let key = TOP + 8.0 + 20.0 * at as f64;
        put(&mut out, format_args!("<polyline {style} points=\"{},{key} {},{key}\"/>\n", RIGHT + 12.0, RIGHT + 36.0));
        text(&mut out, RIGHT + 42.0, key + 4.0, "start", &line.name);
    }
    out.push_str("</svg>\n");
    out
}

/// Round steps from 0 to at least `top`.
fn ticks(top: f64) -> Vec<(f64, String)> {
    let least = if top > 0.0 { top / TICKS } else { 1.0 };
    let power = 10_f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0].map(|factor| factor * power).into_iter().find(|step| *step >= least * 0.999);
    let step = step.unwrap_or(10.0 * power);
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let at = |count: u32| f64::from(count) * step;
    (0..=(top / step).ceil().max(1.0) as u32).map(|count| (at(count), format!("{:.decimals$}", at(count)))).collect()
}

fn rule(out: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    put(out, format_args!("<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#d0d7de\"/>\n"));
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    put(out, format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>\n"));
}

fn put(out: &mut String, what: std::fmt::Arguments<'_>) {
    out.write_fmt(what).expect("a String takes all");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::args::Group;
    use crate::rounds::{Pair, Run};
    use crate::scenario;

    /// The first curve, with a run of each case: CPU is `cpu` for Tidings and half of it for the floor.
    fn measured(cpu: f64) -> Measured {
        let scenario = scenario::of(Group::Curves, None, &|_| true).remove(0);
        let share = |label: &str| if label.starts_with("floor") { 0.5 } else { 1.0 };
        let run = |label: &str| -> Run { Ok(json!({"server_cpu_us_per_delivery": cpu * share(label)})) };
        let runs = scenario.cases.iter().map(|case| (case.label, run(case.label))).collect();
        Measured { scenario, pairs: vec![Pair { runs }] }
    }

    #[test]
    fn a_line_has_a_point_for_each_count() {
        let lines = lines(&[measured(8.0)], DELIVERY_CPU);
        let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["Tidings, events of 128 bytes", "floor, events of 128 bytes"]);
        let counts = [1_000.0, 2_000.0, 5_000.0, 10_000.0, 18_000.0];
        assert_eq!(lines[0].points, counts.map(|count| (count, 8.0)));
        assert_eq!(lines[1].points, counts.map(|count| (count, 4.0)));
        assert!(lines[1].is_dashed && !lines[0].is_dashed);
    }

    #[test]
    fn only_what_was_measured_is_drawn() {
        let charts = of(&[measured(8.0)]);
        assert_eq!(charts.iter().map(|chart| chart.0).collect::<Vec<_>>(), ["cpu-a-delivery.svg"]);
        // From 0 to 20,000 and to 8.
        let svg = &charts[0].1;
        assert!(svg.contains("points=\"81.2,44.0 106.4,44.0 182.0,44.0 308.0,44.0 509.6,44.0\""), "{svg}");
        assert!(svg.contains("points=\"81.2,172.0 "), "{svg}");
        assert!(of(&[]).is_empty());
    }

    #[test]
    fn scales_are_round_and_reach_the_top() {
        let check = |top: f64, expect: &[&str]| {
            let names: Vec<String> = ticks(top).into_iter().map(|tick| tick.1).collect();
            assert_eq!(names, expect, "{top}");
        };
        check(0.0, &["0", "1"]);
        check(17.2, &["0", "5", "10", "15", "20"]);
        check(18_000.0, &["0", "5000", "10000", "15000", "20000"]);
        check(0.9, &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
    }
}
