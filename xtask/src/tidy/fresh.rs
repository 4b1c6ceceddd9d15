//! The generated pages are as the tables would make them now.

use super::Finding;
use crate::repo::Repo;

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    stale(repo, &crate::docs::generated())
}

fn stale(repo: &Repo, pages: &[(&str, String)]) -> Vec<Finding> {
    let is_stale = |path: &str, text: &str| repo.file(path).is_none_or(|file| file.text != text);
    let finding = |path: &str| Finding::new(path, 1, "not what the source's table says: run `cargo xtask docs`");
    pages.iter().filter(|(path, text)| is_stale(path, text)).map(|(path, _)| finding(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_differs_or_is_missing_is_found() {
        let repo = Repo::of([("docs/a.md", "old"), ("docs/b.md", "same")]);
        let pages = [("docs/a.md", "new".to_owned()), ("docs/b.md", "same".to_owned()), ("docs/c.md", "x".to_owned())];
        let found: Vec<String> = stale(&repo, &pages).into_iter().map(|finding| finding.path).collect();
        assert_eq!(found, ["docs/a.md", "docs/c.md"]);
    }
}
