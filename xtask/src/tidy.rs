//! `cargo xtask tidy`: one table of rules, one small file a rule.
//!
//! To add a rule: a file under `tidy/` with a `check`, tests that show it failing, and a row here.

mod doors;
mod edges;
mod fresh;
pub(crate) mod functions;
mod intro;
mod machine_paths;
mod readme;
mod size;
mod unfinished;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;

use crate::repo::Repo;

/// A rule and why it is one.
struct Rule {
    name: &'static str,
    why: &'static str,
    check: fn(&Repo) -> Vec<Finding>,
}

const RULES: &[Rule] = &[
    Rule { name: "edges", why: "the manifest proves the layering, so it may not slip", check: edges::check },
    Rule { name: "doors", why: "what one folder alone does cannot be forgotten elsewhere", check: doors::check },
    Rule { name: "intro", why: "a reader learns what a file is for before reading it", check: intro::check },
    Rule { name: "size", why: "one noun a file; files only ever grow unless something says stop", check: size::check },
    Rule { name: "functions", why: "a function that fills the screen twice hides its steps", check: functions::check },
    Rule { name: "unfinished", why: "what is left for later is forgotten, or panics", check: unfinished::check },
    Rule { name: "machine paths", why: "the tree must work on every machine", check: machine_paths::check },
    Rule { name: "readme", why: "both READMEs must tell the same commands", check: readme::check },
    Rule { name: "fresh", why: "a page made from a table says what the table says", check: fresh::check },
];

/// One place that breaks a rule.
#[derive(Debug)]
struct Finding {
    path: String,
    /// From 1.
    line: usize,
    /// What is wrong, and what to do.
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

/// Checks every rule and writes to `out` what breaks one.
///
/// # Errors
/// Those of `out`: findings are an exit code.
pub(crate) fn run(repo: &Repo, out: &mut impl Write) -> Result<ExitCode> {
    let mut count = 0;
    for rule in RULES {
        let findings = (rule.check)(repo);
        if !findings.is_empty() {
            writeln!(out, "{}: {}", rule.name, rule.why)?;
        }
        for Finding { path, line, message } in &findings {
            writeln!(out, "  {path}:{line}: {message}")?;
        }
        count += findings.len();
    }
    writeln!(out, "tidy: {} rules, {} files, {count} findings", RULES.len(), repo.files.len())?;
    Ok(if count == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The one door of the rules' tests: `check` on a tree of these files finds exactly `expect`, as `path:line`, and says
/// something about each.
#[cfg(test)]
#[track_caller]
fn check_finds(check: fn(&Repo) -> Vec<Finding>, files: &[(&str, &str)], expect: &[&str]) {
    check_finds_in(check, &Repo::of(files.iter().copied()), expect);
}

#[cfg(test)]
#[track_caller]
fn check_finds_in(check: fn(&Repo) -> Vec<Finding>, repo: &Repo, expect: &[&str]) {
    let findings = check(repo);
    let places: Vec<String> = findings.iter().map(|finding| format!("{}:{}", finding.path, finding.line)).collect();
    assert_eq!(places, expect, "{findings:?}");
    assert!(findings.iter().all(|finding| !finding.message.is_empty()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_a_failure_that_says_where() {
        let mut out = Vec::new();
        let repo = Repo::of([("crates/a/src/lib.rs", "fn a() { b.unwrap(); }")]);
        assert_eq!(run(&repo, &mut out).expect("a Vec takes all"), ExitCode::FAILURE);
        let out = String::from_utf8(out).expect("text");
        assert!(out.contains("crates/a/src/lib.rs:1: `.unwrap()`"), "{out}");
        assert!(out.ends_with("tidy: 9 rules, 1 files, 6 findings\n"), "{out}");
    }
}
