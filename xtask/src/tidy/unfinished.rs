//! Nothing is left for later: no marks for it, no code that gives up instead of handling.

use super::Finding;
use crate::lexer::is_word;
use crate::repo::Repo;

/// Code that gives up, and what to write instead.
const GIVING_UP: &[(&str, &str)] = &[
    (".unwrap()", "return the error, or `expect` with the invariant that makes it impossible"),
    ("todo!", "write it, or leave the feature out"),
    ("unimplemented!", "write it, or leave the feature out"),
];

/// Put together here, so that this file does not hold them.
const MARKS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];

/// Where marks are looked for, comments, texts and tests too.
const MARKED: &[&str] = &[".rs", ".ts", ".tsx", ".js", ".mjs", ".css", ".html", ".py"];

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, rust) in repo.sources() {
        for (needle, instead) in GIVING_UP {
            let found = rust.uses(needle).map(|(line, _)| format_finding(&file.path, line, needle, instead));
            findings.extend(found);
        }
    }
    for file in repo.files.iter().filter(|file| MARKED.iter().any(|ending| file.path.ends_with(ending))) {
        for (at, line) in file.text.lines().enumerate() {
            let mark = MARKS.iter().find(|mark| has_word(line, mark));
            findings
                .extend(mark.map(|mark| format_finding(&file.path, at + 1, mark, "do it now, or make it an issue")));
        }
    }
    findings
}

fn format_finding(path: &str, line: usize, what: &str, instead: &str) -> Finding {
    Finding::new(path, line, format!("`{what}`: {instead}"))
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].bytes().next_back();
        let after = line[at + word.len()..].bytes().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

#[cfg(test)]
mod tests {
    use super::super::check_finds;
    use super::*;

    #[test]
    fn giving_up_is_found_in_source_alone() {
        let text = "// .unwrap()\nfn a() {\n  b.unwrap();\n  todo!();\n  unimplemented!(\"x\");\n  b.unwrap_or(1);\n}\n\
                    #[test]\nfn t() { b.unwrap(); }\n";
        let files =
            [("crates/a/src/a.rs", text), ("crates/a/tests/a.rs", text), ("crates/tidings-testkit/src/a.rs", text)];
        check_finds(check, &files, &["crates/a/src/a.rs:3", "crates/a/src/a.rs:4", "crates/a/src/a.rs:5"]);
    }

    #[test]
    fn marks_are_found_everywhere() {
        for mark in MARKS {
            let text = format!("// {mark}: later\nlet a{mark} = 1;\n");
            let files = [("crates/a/tests/a.rs", text.as_str()), ("web/a.ts", &text), ("README.md", &text)];
            check_finds(check, &files, &["crates/a/tests/a.rs:1", "web/a.ts:1"]);
        }
    }
}
