//! No file grows past what a reader holds in mind.

use super::Finding;
use crate::repo::Repo;

/// The longest any file of code may be, tests included: past this, even tests are several files in one.
const FILE_LINES_MAX: usize = 900;

/// The longest a source file may be without its tests. We aim at 200; the anchors' p90 is about 450 (quinn 897, redb
/// 1,694, linkerd2-proxy 331), and there a file starts to have two subjects.
const SOURCE_LINES_MAX: usize = 450;

/// What counts as code: data, lock files and prose have their own reasons to be long.
const CODE: &[&str] = &[".rs", ".ts", ".tsx", ".js", ".mjs", ".css", ".html", ".py", ".sh"];

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let code = repo.files.iter().filter(|file| CODE.iter().any(|ending| file.path.ends_with(ending)));
    code.filter_map(|file| {
        let all = file.text.lines().count();
        if all > FILE_LINES_MAX {
            let message = format!("{all} lines, at most {FILE_LINES_MAX}: split it by subject");
            return Some(Finding::new(&file.path, FILE_LINES_MAX + 1, message));
        }
        // Where tests stand in the same file, only Rust's are told apart.
        let source = match &file.rust {
            Some(rust) => rust.source_lines(),
            None if file.is_test => 0,
            None => all,
        };
        let message = format!("{source} lines without tests, at most {SOURCE_LINES_MAX}: split it by subject");
        (source > SOURCE_LINES_MAX).then(|| Finding::new(&file.path, SOURCE_LINES_MAX + 1, message))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::check_finds;
    use super::*;

    #[test]
    fn source_is_bounded_without_its_tests_and_everything_with_them() {
        let source = "\n".repeat(SOURCE_LINES_MAX);
        let tests = |lines| format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "\n".repeat(lines));
        let files = [
            ("crates/a/src/long.rs", source.clone() + &tests(200)),
            ("crates/a/src/longer.rs", source.clone() + "\n" + &tests(200)),
            ("crates/a/src/longest.rs", source.clone() + &tests(SOURCE_LINES_MAX)),
            ("crates/a/tests/t.rs", source.clone() + "\n"),
            ("tests/e2e/t.mjs", source.clone() + &source),
            ("tests/e2e/u.mjs", source.clone() + &source + "\n"),
            ("web/a.ts", source + "\n"),
            ("vectors.json", "\n".repeat(2 * FILE_LINES_MAX)),
        ];
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let expect =
            ["crates/a/src/longer.rs:451", "crates/a/src/longest.rs:901", "tests/e2e/u.mjs:901", "web/a.ts:451"];
        check_finds(check, &files, &expect);
    }
}
