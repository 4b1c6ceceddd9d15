//! Mistakes on the command line: one clear line and an exit code.

use crate::run;

fn check(args: &[&str], words: &str) {
    let ended = run(args);
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{args:?}: {}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{args:?}: {}", ended.stderr);
    assert!(ended.stderr.starts_with("error: ") && ended.stderr.contains(words), "{args:?}: {}", ended.stderr);
}

#[test]
fn a_mistake_is_one_line_that_says_what_to_do() {
    check(&["serve", "--lisen", "127.0.0.1:1"], "'--listen'");
    check(&["--listen", "here"], "an address is an IP address and a port");
    check(&["serve", "--admin-listen", "localhost:3201"], "such as 127.0.0.1:3200");
    check(&["serve", "--retain-bytes", "10GB"], "512MiB, 10GiB or 1TiB");
    check(&["serve", "--retain-age", "7"], "90s, 30m, 2h or 7d");
    check(&["serve", "--retain-events", "0"], "1..");
    check(&["serve", "--retain", "prices/**"], "'prices/** keep_last=1'");
    check(&["serve", "--retain", "a keep_last=1;b age=x"], "age=x is no time");
    check(&["sever"], "'serve'");
    check(&["listen"], "<TOPIC>");
    check(&["listen", "news", "--since", "all", "--last", "3"], "cannot be used with");
    check(&["listen", "https://example.org/stream"], "https:// is not there yet");
    check(&["publish", "news", "x", "--url", "ftp://example.org"], "only http:// addresses");
    check(&["explain", "nonsense"], "there are ");
}

#[test]
fn version_and_help_are_no_mistakes() {
    let version = run(&["--version"]);
    assert_eq!((version.code, version.stdout), (0, format!("tidings {}\n", env!("CARGO_PKG_VERSION"))));
    let help = run(&["--help"]);
    assert_eq!(help.code, 0);
    assert!(help.stdout.contains("4  address in use"), "{}", help.stdout);
}
