//! A line in a frame with its scales, as an SVG.

use std::fmt::Write as _;

/// The picture, and the frame within it, in pixels: readable in a page's column.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 680.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 300.0;

/// About so many marks stand on a scale.
const TICKS: f64 = 6.0;

/// A picture of one line.
#[derive(Debug)]
pub(super) struct Chart {
    title: String,
    x: Scale,
    y: Scale,
    points: Vec<(f64, f64)>,
}

#[derive(Debug)]
struct Scale {
    name: &'static str,
    /// Where marks stand, and what they say. The scale goes from 0 to the last.
    ticks: Vec<(f64, String)>,
}

impl Chart {
    /// Latencies by percentile; see [`super::latency::Latencies::curve`]. Each further nine is as wide as the one before.
    pub(super) fn latencies(title: String, y: &'static str, points: Vec<(f64, f64)>) -> Self {
        let names = ["0", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"];
        let last = points.last().map_or(1.0, |point| point.0).ceil().max(1.0) as usize;
        let mut ticks: Vec<_> =
            names.iter().enumerate().map(|(nines, name)| (nines as f64, (*name).to_owned())).collect();
        ticks.truncate(last + 1);
        ticks.insert(1, (2.0_f64.log10(), "50 %".to_owned()));
        let top = points.iter().map(|point| point.1).fold(0.0, f64::max);
        Self { title, x: Scale { name: "percentile", ticks }, y: Scale { name: y, ticks: round_ticks(top) }, points }
    }

    /// Connections over the seconds of a run.
    pub(super) fn over_time(title: String, y: &'static str, points: Vec<(f64, f64)>) -> Self {
        let most = |of: fn(&(f64, f64)) -> f64| round_ticks(points.iter().map(of).fold(0.0, f64::max));
        let (x, y) =
            (Scale { name: "seconds", ticks: most(|point| point.0) }, Scale { name: y, ticks: most(|point| point.1) });
        Self { title, x, y, points }
    }

    /// The whole file.
    pub(super) fn svg(&self) -> String {
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        text(&mut out, LEFT, 24.0, "start", &self.title);
        text(&mut out, (LEFT + RIGHT) / 2.0, HEIGHT - 16.0, "middle", self.x.name);
        text(&mut out, LEFT - 8.0, TOP - 10.0, "end", self.y.name);
        for (value, name) in &self.x.ticks {
            let x = self.x.place(*value, LEFT, RIGHT);
            line(&mut out, (x, TOP), (x, BOTTOM));
            text(&mut out, x, BOTTOM + 18.0, "middle", name);
        }
        for (value, name) in &self.y.ticks {
            let y = self.y.place(*value, BOTTOM, TOP);
            line(&mut out, (LEFT, y), (RIGHT, y));
            text(&mut out, LEFT - 8.0, y + 4.0, "end", name);
        }
        out.push_str("<polyline fill=\"none\" stroke=\"#0969da\" stroke-width=\"2\" points=\"");
        for (x, y) in &self.points {
            put(&mut out, format_args!("{:.1},{:.1} ", self.x.place(*x, LEFT, RIGHT), self.y.place(*y, BOTTOM, TOP)));
        }
        out.push_str("\"/>\n</svg>\n");
        out
    }
}

impl Scale {
    fn place(&self, value: f64, from: f64, to: f64) -> f64 {
        let end = self.ticks.last().map_or(1.0, |tick| tick.0);
        from + (to - from) * (value / end).clamp(0.0, 1.0)
    }
}

/// Round steps from 0 to at least `top`.
fn round_ticks(top: f64) -> Vec<(f64, String)> {
    let least = if top > 0.0 { top / TICKS } else { 1.0 };
    let power = 10_f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= least * 0.999);
    let step = step.unwrap_or(10.0 * power);
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    (0..=(top / step).ceil().max(1.0) as u32)
        .map(|count| f64::from(count) * step)
        .map(|at| (at, format!("{at:.decimals$}")))
        .collect()
}

fn line(out: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    put(out, format_args!("<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#d0d7de\"/>\n"));
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    put(out, format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>\n"));
}

fn put(out: &mut String, what: std::fmt::Arguments<'_>) {
    out.write_fmt(what).expect("a string takes all");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_round_and_reach_the_top() {
        let check = |top: f64, expect: &[&str]| {
            let names: Vec<String> = round_ticks(top).into_iter().map(|tick| tick.1).collect();
            assert_eq!(names, expect, "{top}");
        };
        check(0.0, &["0", "1"]);
        check(17.2, &["0", "5", "10", "15", "20"]);
        check(18_000.0, &["0", "5000", "10000", "15000", "20000"]);
        check(0.9, &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        check(60.0, &["0", "10", "20", "30", "40", "50", "60"]);
    }

    #[test]
    fn a_line_stands_where_its_values_are() {
        let chart = Chart::over_time("a < b & c".into(), "open", vec![(0.0, 0.0), (1.0, 50.0), (2.0, 100.0)]);
        let svg = chart.svg();
        assert!(svg.contains("points=\"72.0,300.0 376.0,172.0 680.0,44.0 \""), "{svg}");
        assert!(svg.contains(">a &lt; b &amp; c</text>") && svg.ends_with("</svg>\n"), "{svg}");
    }

    #[test]
    fn nines_are_equally_wide() {
        let svg = Chart::latencies("t".into(), "ms", vec![(0.0, 1.0), (1.0, 2.0), (1.5, 4.0)]).svg();
        for (x, name) in [("72.0", "0"), ("163.5", "50 %"), ("376.0", "90 %"), ("680.0", "99 %")] {
            assert!(
                svg.contains(&format!("<text x=\"{x}\" y=\"318.0\" text-anchor=\"middle\">{name}</text>")),
                "{name}: {svg}"
            );
        }
        assert!(!svg.contains("99.9 %"));
        assert!(Chart::latencies("t".into(), "ms", Vec::new()).svg().contains("points=\"\""));
    }
}
