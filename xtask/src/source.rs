//! A Rust file as the rules see it: its code without text and comments, its lines, its functions.

use crate::lexer::{Class, classify, is_word};

/// One Rust file, read.
#[derive(Debug)]
pub(crate) struct Source {
    /// The file's text with spaces for every byte of strings and comments: offsets and lines stay.
    code: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) functions: Vec<Function>,
    /// Names of modules declared as `#[cfg(test)] mod name;`: their files are tests too.
    pub(crate) test_modules: Vec<String>,
}

/// What stands on one line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) has_code: bool,
    pub(crate) has_comment: bool,
    /// Inside an item that only tests see.
    pub(crate) is_test: bool,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// 1 for the file's first line.
    pub(crate) line: usize,
    /// From the line of `fn` to the line of the closing brace, both counted.
    pub(crate) lines: usize,
    pub(crate) is_test: bool,
}

impl Source {
    /// Reads `text`. `is_test` says that the whole file is test code.
    pub(crate) fn read(text: &str, is_test: bool) -> Self {
        let classes = classify(text);
        let code = code_alone(text, &classes);
        let mut lines = lines(text, &classes);
        let mut test_modules = Vec::new();
        for item in test_items(&code) {
            let last = line_at(&code, item.end.saturating_sub(1));
            for line in &mut lines[line_at(&code, item.start) - 1..last] {
                line.is_test = true;
            }
            test_modules.extend(module_name(&code[item]));
        }
        if is_test {
            lines.iter_mut().for_each(|line| line.is_test = true);
        }
        let functions = functions(&code, &lines);
        Self { code, lines, functions, test_modules }
    }

    /// Where `needle` stands in code outside tests, as (line, what follows it on that line). It counts only where no
    /// identifier runs into its first character.
    pub(crate) fn uses<'a>(&'a self, needle: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
        self.all_uses(needle).filter(|(line, _)| !self.lines[line - 1].is_test)
    }

    /// Like [`Source::uses`], in tests too.
    pub(crate) fn all_uses<'a>(&'a self, needle: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
        let starts_word = needle.bytes().next().is_some_and(is_word);
        self.code.lines().enumerate().flat_map(move |(at, line)| {
            line.match_indices(needle)
                .filter(move |(column, _)| !starts_word || !line[..*column].bytes().next_back().is_some_and(is_word))
                .map(move |(column, _)| (at + 1, &line[column + needle.len()..]))
        })
    }

    /// How many lines are not test code, blank ones counted.
    pub(crate) fn source_lines(&self) -> usize {
        self.lines.iter().filter(|line| !line.is_test).count()
    }
}

fn code_alone(text: &str, classes: &[Class]) -> String {
    let keep = |(byte, class): (u8, &Class)| if byte == b'\n' || *class == Class::Code { byte } else { b' ' };
    let bytes = text.bytes().zip(classes).map(keep).collect();
    String::from_utf8(bytes).expect("tokens end between characters, so whole characters are kept or blanked")
}

fn lines(text: &str, classes: &[Class]) -> Vec<Line> {
    let mut lines = vec![Line::default(); text.lines().count()];
    let mut at = 0;
    for (byte, class) in text.bytes().zip(classes) {
        if byte == b'\n' {
            at += 1;
        } else if !byte.is_ascii_whitespace() {
            match class {
                Class::Comment => lines[at].has_comment = true,
                Class::Code | Class::Text => lines[at].has_code = true,
            }
        }
    }
    lines
}

/// The items that `#[test]`, `#[cfg(test)]` and their like stand on, attribute included.
fn test_items(code: &str) -> Vec<std::ops::Range<usize>> {
    let mut items: Vec<std::ops::Range<usize>> = Vec::new();
    for (start, _) in code.match_indices("#[") {
        // What stands inside an item already found is test code with it.
        if items.last().is_some_and(|item| item.contains(&start)) {
            continue;
        }
        let end = closing(code, start + 1);
        let attribute: String = code[start + 2..end].split_whitespace().collect();
        if is_test_attribute(attribute.trim_end_matches(']')) {
            items.push(start..item_end(code, end));
        }
    }
    items
}

fn is_test_attribute(attribute: &str) -> bool {
    let path = attribute.split('(').next().unwrap_or_default();
    let conditional = path == "cfg" && !attribute.contains("not(test") && words(attribute).any(|word| word == "test");
    conditional || path == "test" || path.ends_with("::test")
}

fn functions(code: &str, lines: &[Line]) -> Vec<Function> {
    let mut functions = Vec::new();
    for (start, _) in code.match_indices("fn ") {
        if code[..start].bytes().next_back().is_some_and(is_word) {
            continue;
        }
        let name: String = words(&code[start + 3..]).next().unwrap_or_default().to_owned();
        let end = item_end(code, start);
        // Without a body: a trait's method, or a pattern in a macro.
        if name.is_empty() || !code[..end].ends_with('}') {
            continue;
        }
        let line = line_at(code, start);
        let length = line_at(code, end - 1) - line + 1;
        functions.push(Function { name, line, lines: length, is_test: lines[line - 1].is_test });
    }
    functions
}

/// `tests` for `mod tests;`, with whatever stands before it.
fn module_name(item: &str) -> Option<String> {
    let mut words = words(item.strip_suffix(';')?).skip_while(|word| *word != "mod");
    words.nth(1).map(str::to_owned)
}

/// The end of the item that begins at or after `from`: behind its body, or its semicolon, or before the brace that
/// closes what it stands in.
fn item_end(code: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(byte) = code.as_bytes().get(at) {
        match byte {
            b'(' | b'[' => at = closing(code, at),
            b'{' => return closing(code, at),
            b';' => return at + 1,
            b'}' => return at,
            _ => at += 1,
        }
    }
    code.len()
}

/// Behind the bracket that closes the one at `open`, or the end of the code.
fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' if depth <= 1 => return at + 1,
            b')' | b']' | b'}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|character: char| !character.is_alphanumeric() && character != '_').filter(|word| !word.is_empty())
}

/// The number, from 1, of the line that `offset` stands on.
fn line_at(code: &str, offset: usize) -> usize {
    code.as_bytes()[..offset].iter().filter(|&&byte| byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One letter a line: `s` source, `t` test.
    #[track_caller]
    fn check_tests(text: &str, expect: &str) {
        let kinds: String =
            Source::read(text, false).lines.iter().map(|line| if line.is_test { 't' } else { 's' }).collect();
        assert_eq!(kinds, expect, "{text}");
    }

    #[test]
    fn a_test_module_is_test_code_to_its_brace() {
        check_tests("fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() { \"}\"; }\n}\nfn c() {}\n", "stttts");
    }

    #[test]
    fn test_attributes_are_known_by_name() {
        check_tests("#[test]\nfn a() {\n}\n", "ttt");
        check_tests("#[tokio::test(flavor = \"x\")]\nasync fn a() {}\nfn b() {}\n", "tts");
        check_tests("#[cfg(all(test, unix))]\nuse a::{b, c};\nfn b() {}\n", "tts");
        check_tests("#[cfg(not(test))]\nfn a() {}\n", "ss");
        check_tests("#[cfg(feature = \"test\")]\nfn a() {}\n", "ss");
        check_tests("#[derive(Debug)]\nstruct A;\n", "ss");
    }

    #[test]
    fn modules_of_their_own_file_are_named() {
        assert_eq!(Source::read("#[cfg(test)]\npub(crate) mod model;\nmod b;\n", false).test_modules, ["model"]);
    }

    #[test]
    fn functions_are_measured_brace_to_brace() {
        let text = "trait A { fn none(&self); }\nfn two<T>(a: [u8; 2]) -> Fn\nwhere T: X { }\ntype P = fn (u8);\n#[test]\nfn t() {}\n";
        let expect = [
            Function { name: "two".into(), line: 2, lines: 2, is_test: false },
            Function { name: "t".into(), line: 6, lines: 1, is_test: true },
        ];
        assert_eq!(Source::read(text, false).functions, expect);
    }

    #[test]
    fn uses_are_code_whole_words_and_not_tests() {
        let text = "// Grant::a\nlet s = \"Grant::b\";\nMyGrant::c();\nGrant::d();\n#[test]\nfn t() { Grant::e(); }\n";
        let source = Source::read(text, false);
        assert_eq!(source.uses("Grant::").collect::<Vec<_>>(), [(4, "d();")]);
        assert_eq!(source.all_uses("Grant::").count(), 2);
    }

    #[test]
    fn lines_know_code_and_comment() {
        let lines = Source::read("a // b\n// c\n\n\"//\"\n", false).lines;
        let seen: Vec<_> = lines.iter().map(|line| (line.has_code, line.has_comment)).collect();
        assert_eq!(seen, [(true, true), (false, true), (false, false), (true, false)]);
    }
}
