//! Every module opens with `//!` and says what it is for.

use super::Finding;
use crate::repo::Repo;

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let introduced = |text: &str| {
        let first = text.lines().next().and_then(|line| line.strip_prefix("//!"));
        first.is_some_and(|line| !line.trim().is_empty())
    };
    repo.rust()
        .filter(|(file, _)| !introduced(&file.text))
        .map(|(file, _)| Finding::new(&file.path, 1, "open with `//!` and say in a line what this file is for"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::check_finds;
    use super::*;

    #[test]
    fn the_first_line_says_it() {
        let files = [
            ("crates/a/src/good.rs", "//! Good.\nfn a() {}"),
            ("crates/a/src/late.rs", "\n//! Late."),
            ("crates/a/src/mute.rs", "//!\n//! Mute."),
            ("crates/a/tests/bare.rs", "fn a() {}"),
            ("crates/a/src/empty.rs", ""),
            ("README.md", "no"),
        ];
        let expect =
            ["crates/a/src/late.rs:1", "crates/a/src/mute.rs:1", "crates/a/tests/bare.rs:1", "crates/a/src/empty.rs:1"];
        check_finds(check, &files, &expect);
    }
}
