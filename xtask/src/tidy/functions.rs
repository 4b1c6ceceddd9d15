//! Few functions are longer than a screen or two.

use super::Finding;
use crate::repo::Repo;

/// Where a function counts as long: beyond it, it is a state table or a mistake.
pub(crate) const LINES_MAX: usize = 70;

/// Of a hundred functions, how many may be long: state tables exist.
pub(crate) const LONG_PERCENT_MAX: usize = 2;

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let functions = || {
        let all = repo.sources().flat_map(|(file, rust)| rust.functions.iter().map(move |function| (file, function)));
        all.filter(|(_, function)| !function.is_test)
    };
    let long: Vec<_> = functions().filter(|(_, function)| function.lines > LINES_MAX).collect();
    let all = functions().count();
    if long.len() * 100 <= all * LONG_PERCENT_MAX {
        return Vec::new();
    }
    let share = format!("{} of {all} functions are over {LINES_MAX}, at most {LONG_PERCENT_MAX}% may be", long.len());
    long.iter()
        .map(|(file, function)| {
            let message = format!("{} has {} lines ({share}): name its steps", function.name, function.lines);
            Finding::new(&file.path, function.line, message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::check_finds;
    use super::*;

    fn function(lines: usize) -> String {
        format!("fn a() {{\n{}}}\n", "\n".repeat(lines - 2))
    }

    #[test]
    fn one_in_fifty_may_be_long() {
        let long = function(LINES_MAX + 1);
        let fits = function(LINES_MAX);
        check_finds(check, &[("src/a.rs", &fits)], &[]);
        check_finds(check, &[("src/a.rs", &long)], &["src/a.rs:1"]);
        let short = "fn b() {}\n".repeat(49);
        check_finds(check, &[("src/a.rs", &(short.clone() + &long))], &[]);
        check_finds(check, &[("src/a.rs", &short[10..]), ("src/b.rs", &long)], &["src/b.rs:1"]);
    }

    #[test]
    fn tests_may_be_long() {
        let test = format!("#[test]\n{}", function(LINES_MAX + 1));
        check_finds(check, &[("src/a.rs", &test), ("tests/b.rs", &function(100))], &[]);
    }
}
