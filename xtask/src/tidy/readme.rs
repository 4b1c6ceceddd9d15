//! Both READMEs tell the same commands: whoever follows one ends where the other does.

use super::Finding;
use crate::repo::Repo;

const ENGLISH: &str = "README.md";
const CHINESE: &str = "README.zh-CN.md";

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let (english, chinese) = match (repo.file(ENGLISH), repo.file(CHINESE)) {
        (Some(english), Some(chinese)) => (commands(&english.text), commands(&chinese.text)),
        (None, _) => return vec![Finding::new(ENGLISH, 1, "it is missing: a newcomer starts there")],
        (_, None) => return vec![Finding::new(CHINESE, 1, "it is missing: the same commands, told in Chinese")],
    };
    if english.is_empty() {
        return vec![Finding::new(ENGLISH, 1, "it has no ```sh block: a newcomer needs the commands")];
    }
    let differs = (0..english.len().max(chinese.len())).find(|&at| {
        let command = |list: &[(usize, String)]| list.get(at).map(|(_, command)| command.clone());
        command(&english) != command(&chinese)
    });
    differs.map(|at| finding(english.get(at), chinese.get(at))).into_iter().collect()
}

fn finding(english: Option<&(usize, String)>, chinese: Option<&(usize, String)>) -> Finding {
    let told =
        |found: Option<&(usize, String)>| found.map_or("nothing".to_owned(), |(_, command)| format!("`{command}`"));
    let message = format!("the commands part here: {ENGLISH} has {}, {CHINESE} {}", told(english), told(chinese));
    match (chinese, english) {
        (Some((line, _)), _) => Finding::new(CHINESE, *line, message),
        (None, Some((line, _))) => Finding::new(ENGLISH, *line, message),
        (None, None) => unreachable!("a place past both lists was never compared"),
    }
}

/// The lines of all ```` ```sh ```` blocks with their numbers. Comments are left out, as they are in the page's
/// language; so is how the block is indented.
fn commands(text: &str) -> Vec<(usize, String)> {
    let mut commands = Vec::new();
    let mut inside = false;
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside {
            // A shell takes `#` for a comment at a word's start alone; URLs keep theirs.
            let command = line.split(" #").next().unwrap_or_default().trim_end();
            if !command.is_empty() && !command.starts_with('#') {
                commands.push((at + 1, command.to_owned()));
            }
        }
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::super::check_finds;
    use super::*;

    #[track_caller]
    fn check_pair(english: &str, chinese: &str, expect: &[&str]) {
        check_finds(check, &[(ENGLISH, english), (CHINESE, chinese)], expect);
    }

    #[test]
    fn the_same_commands_pass_whatever_is_said_around_them() {
        check_pair("one\n```sh\n# run it\n./test   # all\n```\n", "```sh\n./test # 全部\n```\n", &[]);
        check_pair("```sh\na\n```\n```json\n1\n```\n", "```sh\na\n```\n```json\n2\n```\n", &[]);
    }

    #[test]
    fn commands_that_differ_are_found() {
        let pages = ["```sh\na\nb\n```\n", "\n```sh\na\nc\n```\n", "```sh\na\n```\n"];
        check_pair(pages[0], pages[1], &["README.zh-CN.md:4"]);
        check_pair(pages[0], pages[2], &["README.md:3"]);
        check_pair(pages[2], pages[0], &["README.zh-CN.md:3"]);
        check_pair("```sh\ncurl a#b\n```\n", "```sh\ncurl a#c\n```\n", &["README.zh-CN.md:2"]);
    }

    #[test]
    fn pages_without_commands_are_found() {
        check_finds(check, &[(CHINESE, "")], &["README.md:1"]);
        check_finds(check, &[(ENGLISH, "")], &["README.zh-CN.md:1"]);
        check_pair("", "", &["README.md:1"]);
    }
}
