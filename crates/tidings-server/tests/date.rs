//! The fear: the clock prints a date that JavaScript would print otherwise. So it is compared with a real Node.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use std::process::Command;

use jiff::tz::TimeZone;
use tidings_server::demo::date::DateText;

/// 20 May 2025 and 4 January 2025: each is summer in one half of the world.
const SUMMER_MS: i64 = 1_747_714_861_969;
const WINTER_MS: i64 = 1_736_000_000_000;

/// What Node prints. `TIDINGS_NODE` names the program where `node` in the path is not the one to use.
fn node(zone: &str, unix_ms: i64) -> String {
    let program = std::env::var("TIDINGS_NODE").unwrap_or_else(|_| "node".into());
    let output = Command::new(&program)
        .env("LC_ALL", "C")
        .env("TZ", zone)
        // `--`, or node takes a negative instant for an option.
        .args(["-e", "console.log(String(new Date(+process.argv[1])))", "--", &unix_ms.to_string()])
        .output()
        .unwrap_or_else(|error| {
            panic!("this test needs Node: set TIDINGS_NODE or install `node` ({program}: {error})")
        });
    assert!(output.status.success(), "{program} failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

fn check(zone: &str, instants: &[i64]) {
    let ours = DateText::in_zone(TimeZone::get(zone).unwrap());
    for &unix_ms in instants {
        assert_eq!(ours.text(unix_ms), node(zone, unix_ms), "{zone} at {unix_ms}");
    }
}

#[test]
fn summer_and_winter_are_what_node_prints() {
    for zone in ["UTC", "Asia/Shanghai", "America/New_York", "Asia/Kolkata", "Pacific/Chatham"] {
        check(zone, &[SUMMER_MS, WINTER_MS]);
    }
}

#[test]
fn odd_zones_are_what_node_prints() {
    // British Summer Time; half an hour of summer time; an offset of -03:30; summer time that is subtracted; a zone
    // whose winter is the exception; links; a zone without a name; a summer of two hours; a new name.
    let odd = ["Europe/London", "Australia/Lord_Howe", "America/St_Johns", "Africa/Casablanca", "Europe/Dublin"];
    let more = ["US/Eastern", "Asia/Calcutta", "Etc/GMT+5", "GMT", "Etc/UTC", "Antarctica/Troll", "Asia/Almaty"];
    for zone in odd.into_iter().chain(more) {
        check(zone, &[SUMMER_MS, WINTER_MS]);
    }
}

#[test]
fn far_instants_are_what_node_prints() {
    let noon_1874_ms = -3_000_000_000_000;
    let year_1019_ms = -30_000_000_000_000;
    let year_9996_ms = 253_300_000_000_000;
    check("UTC", &[noon_1874_ms, year_1019_ms, year_9996_ms, 0, 1]);
    check("America/New_York", &[0, year_9996_ms]);
    check("Asia/Shanghai", &[0, year_9996_ms]);
}

#[test]
fn an_offset_with_seconds_loses_them() {
    // Before 1901 Shanghai was at +08:05:43. The name differs from Node's there (see `DateText::text`), the rest not.
    let unix_ms = -3_000_000_000_000;
    let ours = DateText::in_zone(TimeZone::get("Asia/Shanghai").unwrap()).text(unix_ms);
    let head = "Tue Dec 08 1874 02:45:43 GMT+0805 (";
    assert!(ours.starts_with(head) && node("Asia/Shanghai", unix_ms).starts_with(head), "{ours}");
}

#[test]
fn an_unknown_zone_is_utc_without_a_name() {
    let ours = DateText::in_zone(TimeZone::unknown());
    assert_eq!(ours.text(SUMMER_MS), node("Nowhere/Nothing", SUMMER_MS));
}

#[test]
fn an_instant_no_calendar_holds_does_not_panic() {
    let ours = DateText::in_zone(TimeZone::UTC);
    assert!(ours.text(i64::MAX).starts_with("Thu Dec 30 9999"), "{}", ours.text(i64::MAX));
    assert!(ours.text(i64::MIN).contains("-9999"), "{}", ours.text(i64::MIN));
}
