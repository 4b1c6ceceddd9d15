//! The tree that the rules look at: every file that is or would be tracked, and the workspace's crates.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::crates::{self, Crate};
use crate::source::Source;

/// All that a rule may look at. Rules take this and nothing else, so each can be shown failing on a few made-up lines.
#[derive(Debug, Default)]
pub(crate) struct Repo {
    pub(crate) files: Vec<File>,
    pub(crate) crates: Vec<Crate>,
}

/// A text file of the tree.
#[derive(Debug)]
pub(crate) struct File {
    /// From the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// Of Rust files, what the scanner saw.
    pub(crate) rust: Option<Source>,
    /// Only tests compile it, or it only serves them.
    pub(crate) is_test: bool,
}

impl Repo {
    /// Reads the tree around this crate: what git tracks, and what it would if all were added now.
    ///
    /// # Errors
    /// When git or cargo cannot be run, or say no.
    pub(crate) fn read() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask stands below the root")?;
        let listing = output(root, "git", &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
        // A set, as git lists a file in conflict more than once. What is deleted but not committed cannot be read, and
        // binary files are not text: no rule is about either.
        let paths: BTreeSet<&str> = listing.split('\0').filter(|path| !path.is_empty()).collect();
        let texts = paths.iter().filter_map(|path| Some((*path, std::fs::read_to_string(root.join(path)).ok()?)));
        let mut repo = Self::of(texts);
        let metadata = output(root, "cargo", &["metadata", "--format-version=1", "--no-deps", "--offline"])?;
        repo.crates = crates::parse(&metadata, root)?;
        Ok(repo)
    }

    /// A tree of these paths and texts, without crates.
    pub(crate) fn of<'a, T: Into<String>>(files: impl IntoIterator<Item = (&'a str, T)>) -> Self {
        let mut files: Vec<File> = files.into_iter().map(|(path, text)| File::new(path, text.into())).collect();
        let declared: Vec<String> = files.iter().flat_map(File::test_module_paths).collect();
        for file in files.iter_mut().filter(|file| !file.is_test) {
            // `a/b.rs` itself, and what stands under `a/b/`.
            if declared.iter().any(|stem| file.path.strip_prefix(stem).is_some_and(|rest| rest.starts_with(['.', '/'])))
            {
                *file = File::read(&file.path, std::mem::take(&mut file.text), true);
            }
        }
        Self { files, crates: Vec::new() }
    }

    /// The file at `path`.
    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Rust files and what the scanner saw of them.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&File, &Source)> {
        self.files.iter().filter_map(|file| Some((file, file.rust.as_ref()?)))
    }

    /// The Rust files of the product and of this program that are not tests: what the rules about code are about.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (&File, &Source)> {
        self.rust().filter(|(file, _)| !file.is_test)
    }
}

impl File {
    fn new(path: &str, text: String) -> Self {
        Self::read(path, text, is_test_path(path))
    }

    fn read(path: &str, text: String, is_test: bool) -> Self {
        let rust = path.ends_with(".rs").then(|| Source::read(&text, is_test));
        Self { path: path.to_owned(), text, rust, is_test }
    }

    /// Where the modules lie that this file declares for tests alone, without `.rs`.
    fn test_module_paths(&self) -> Vec<String> {
        let Some(rust) = &self.rust else { return Vec::new() };
        let (folder, name) = self.path.rsplit_once('/').unwrap_or_default();
        let folder = match name {
            "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
            _ => format!("{folder}/{}", name.trim_end_matches(".rs")),
        };
        rust.test_modules.iter().map(|module| format!("{folder}/{module}")).collect()
    }
}

/// Test code by where it lies: cargo's folders for it, fuzz targets, and the crate that only serves tests.
fn is_test_path(path: &str) -> bool {
    let by_folder = path.split('/').any(|part| matches!(part, "tests" | "benches" | "tests.rs"));
    by_folder || path.starts_with("fuzz/") || path.starts_with("crates/tidings-testkit/")
}

fn output(root: &Path, program: &str, arguments: &[&str]) -> Result<String> {
    let what = || format!("{program} {}", arguments.join(" "));
    let output = Command::new(program).args(arguments).current_dir(root).output().with_context(what)?;
    ensure!(output.status.success(), "{}: {}", what(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).with_context(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_tests(files: &[(&str, &str)], expect: &[&str]) {
        let repo = Repo::of(files.iter().copied());
        let tests: Vec<&str> = repo.files.iter().filter(|file| file.is_test).map(|file| file.path.as_str()).collect();
        assert_eq!(tests, expect);
    }

    #[test]
    fn tests_are_known_by_folder() {
        let files = [
            ("crates/a/src/lib.rs", ""),
            ("crates/a/tests/b.rs", ""),
            ("crates/a/src/c/tests.rs", ""),
            ("fuzz/d.rs", ""),
        ];
        check_tests(&files, &["crates/a/tests/b.rs", "crates/a/src/c/tests.rs", "fuzz/d.rs"]);
    }

    #[test]
    fn tests_are_known_by_declaration() {
        let files = [
            ("src/lib.rs", "#[cfg(test)]\nmod model;\nmod models;"),
            ("src/model.rs", ""),
            ("src/model/deep.rs", ""),
            ("src/models.rs", ""),
            ("src/a.rs", "#[cfg(test)] mod fake;"),
            ("src/a/fake.rs", ""),
            ("src/fake.rs", ""),
        ];
        check_tests(&files, &["src/model.rs", "src/model/deep.rs", "src/a/fake.rs"]);
    }

    #[test]
    fn this_tree_is_read() {
        let repo = Repo::read().expect("git and cargo run here");
        assert!(repo.file("xtask/src/repo.rs").is_some_and(|file| !file.is_test && file.rust.is_some()));
        assert!(repo.crates.iter().any(|found| found.name == "xtask"));
    }
}
