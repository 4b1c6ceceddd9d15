//! Nothing in the tree names one machine's folders or a package registry's host.

use super::Finding;
use crate::repo::{File, Repo};

/// Folders at the root of a file system that are somebody's own. Debian's, such as `/usr`, are the same everywhere.
const FOLDERS: &[&str] = &["work", "root", "farm", "home"];

/// Registries are reached through their clients' own settings: a mirror or a proxy then works too. Put together here,
/// so that this file does not hold them.
const HOSTS: &[&str] = &[
    concat!("arti", "factory"),
    concat!("registry.", "npmjs.org"),
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("files.", "pythonhosted.org"),
    concat!("pypi.org/", "simple"),
];

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in repo.files.iter().filter(|file| !is_lock(file)) {
        for (at, line) in file.text.lines().enumerate() {
            if let Some(folder) = FOLDERS.iter().find(|folder| names_folder(line, folder)) {
                let message = format!("a path below /{folder}: it exists on one machine only; make it relative");
                findings.push(Finding::new(&file.path, at + 1, message));
            }
            if let Some(host) = HOSTS.iter().find(|host| line.contains(*host)) {
                let message = format!("{host}: leave the registry to the client's own settings");
                findings.push(Finding::new(&file.path, at + 1, message));
            }
        }
    }
    findings
}

/// Lock files are written by the package managers, with hosts.
fn is_lock(file: &File) -> bool {
    file.path.ends_with(".lock") || file.path.ends_with("package-lock.json")
}

/// Whether an absolute path below `folder` stands on the line; `topics/home/` is none.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(&format!("/{folder}/")).any(|(at, _)| {
        let before = line[..at].bytes().next_back();
        !before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.')
    })
}

#[cfg(test)]
mod tests {
    use super::super::check_finds;
    use super::*;

    #[test]
    fn machines_and_registries_are_found_everywhere_but_in_locks() {
        for secret in FOLDERS.iter().map(|folder| format!("/{folder}/a")).chain(HOSTS.iter().map(|host| (*host).into()))
        {
            let text = format!("fine\nsee \"{secret}\"\n");
            let files = [("docs/a.md", text.as_str()), ("Cargo.lock", &text), ("tests/e2e/package-lock.json", &text)];
            check_finds(check, &files, &["docs/a.md:2"]);
        }
    }

    #[test]
    fn topics_and_relative_paths_are_none() {
        for folder in FOLDERS {
            let text = format!("GET /topics/{folder}/a\n../{folder}/a\n/{folder}less/a\n/usr/bin\nhttps://crates.io\n");
            check_finds(check, &[("a.md", &text)], &[]);
        }
    }
}
