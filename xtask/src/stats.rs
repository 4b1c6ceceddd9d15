//! `cargo xtask stats`: how the code reads, in figures, beside what we aim at. Nothing fails here: `tidy` does that.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;

use crate::repo::Repo;
use crate::tidy::functions;

/// Checks that stay in the product count as much as those gone from release builds: both say what must hold.
const ASSERTS: &[&str] =
    &["assert!", "assert_eq!", "assert_ne!", "debug_assert!", "debug_assert_eq!", "debug_assert_ne!"];

const LEGEND: &str = "\
lengths (median, p90, max, lines), comments, asserts and long functions are of source without its tests
comments: lines that are nothing else, of those that are not blank    tests: their lines, of source lines, Rust alone
asserts: in a thousand lines    long: functions over 70 lines";

/// What is counted of one crate, or of all.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    /// Lines without tests of each source file.
    lengths: Vec<usize>,
    source_lines: usize,
    test_lines: usize,
    comment_lines: usize,
    written_lines: usize,
    asserts: usize,
    functions: usize,
    functions_long: usize,
}

/// Writes the figures to `out`, a row a crate and one for all.
///
/// # Errors
/// Those of `out`.
pub(crate) fn run(repo: &Repo, out: &mut impl Write) -> Result<ExitCode> {
    writeln!(
        out,
        "{}",
        columns(["Rust", "files", "median", "p90", "max", "lines", "comments", "tests", "asserts", "long"])
    )?;
    for (name, counts) in count(repo) {
        writeln!(out, "{}", columns(row(&name, counts)))?;
    }
    writeln!(out, "{}", columns(["aim", "", "<=200", "<=450", "<=900", "", "15-25%", ">=0.70", ">=8 hub", "<=2%"]))?;
    writeln!(out, "{LEGEND}")?;
    Ok(ExitCode::SUCCESS)
}

/// By crate, and under `all`. The testkit's lines are test lines of the whole.
fn count(repo: &Repo) -> BTreeMap<String, Counts> {
    let mut by_crate: BTreeMap<String, Counts> = BTreeMap::new();
    for (file, rust) in repo.rust() {
        let name = file.path.trim_start_matches("crates/").split('/').next().unwrap_or_default();
        for key in [name, "all"] {
            let counts = by_crate.entry(key.to_owned()).or_default();
            let source = rust.source_lines();
            if !file.is_test {
                counts.lengths.push(source);
            }
            counts.source_lines += source;
            counts.test_lines += rust.lines.len() - source;
            let written = rust.lines.iter().filter(|line| !line.is_test && (line.has_code || line.has_comment));
            counts.written_lines += written.clone().count();
            counts.comment_lines += written.filter(|line| !line.has_code).count();
            counts.asserts += ASSERTS.iter().map(|assert| rust.uses(assert).count()).sum::<usize>();
            let functions = rust.functions.iter().filter(|function| !function.is_test);
            counts.functions += functions.clone().count();
            counts.functions_long += functions.filter(|function| function.lines > functions::LINES_MAX).count();
        }
    }
    by_crate
}

fn row(name: &str, mut counts: Counts) -> [String; 10] {
    counts.lengths.sort_unstable();
    let lengths = &counts.lengths;
    let at = |percent: usize| lengths.get((lengths.len() * percent / 100).min(lengths.len().saturating_sub(1)));
    let length = |found: Option<&usize>| found.map_or("-".to_owned(), usize::to_string);
    let ratio = |part: usize, whole: usize| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    [
        name.to_owned(),
        lengths.len().to_string(),
        length(at(50)),
        length(at(90)),
        length(lengths.last()),
        counts.source_lines.to_string(),
        format!("{:.1}%", 100.0 * ratio(counts.comment_lines, counts.written_lines)),
        format!("{:.2}", ratio(counts.test_lines, counts.source_lines)),
        format!("{:.1}", 1000.0 * ratio(counts.asserts, counts.source_lines)),
        format!("{} of {}", counts.functions_long, counts.functions),
    ]
}

fn columns<T: std::fmt::Display>(cells: [T; 10]) -> String {
    let [name, numbers @ ..] = cells;
    numbers.iter().fold(format!("{name:18}"), |line, number| format!("{line}{number:>10}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_counts_what_it_says() {
        let lib =
            "//! A.\n\nfn a() {\n  assert!(b); // why\n}\n#[cfg(test)]\nmod tests {\n  fn t() { assert!(c); }\n}\n";
        let repo = Repo::of([("crates/a/src/lib.rs", lib), ("crates/a/tests/t.rs", "//! T.\nfn t() {}\n")]);
        let expect = Counts {
            lengths: vec![5],
            source_lines: 5,
            test_lines: 6,
            comment_lines: 1,
            written_lines: 4,
            asserts: 1,
            functions: 1,
            functions_long: 0,
        };
        assert_eq!(count(&repo)["a"], expect);
        assert_eq!(count(&repo)["all"], expect);
    }

    #[test]
    fn medians_are_of_files() {
        let counts = Counts { lengths: vec![30, 10, 20], ..Counts::default() };
        assert_eq!(row("a", counts)[..5], ["a", "3", "20", "30", "30"]);
    }
}
