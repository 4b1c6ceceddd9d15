//! The clock's text: an instant as JavaScript's `String(new Date(ms))` prints it, always in English.
//!
//! jiff knows the zones and their rules, but has no long names (`China Standard Time`); those are CLDR's, the same data
//! that V8 takes through ICU. `tests/date.rs` compares the two against a real Node.

use icu_datetime::{NoCalendarFormatter, fieldsets::zone::SpecificLong};
use icu_locale_core::locale;
use icu_time::zone::{UtcOffset, ZoneNameTimestamp};
use jiff::{Timestamp, Zoned, tz::TimeZone};
use jiff_icu::ConvertInto as _;

/// Prints instants in one time zone: `Tue May 20 2025 12:21:01 GMT+0800 (China Standard Time)`.
pub struct DateText {
    zone: TimeZone,
    zone_for_names: icu_time::TimeZone,
    /// Built once: looking up the patterns and name tables costs far more than a tick.
    names: NoCalendarFormatter<SpecificLong>,
}

impl DateText {
    /// The machine's own zone: `TZ`, else `/etc/localtime`. One that nobody knows counts as UTC without a name
    /// (`GMT+0000 (GMT+00:00)`), as in Node.
    pub fn system() -> Self {
        Self::in_zone(TimeZone::system())
    }

    /// A zone of the caller's choice.
    pub fn in_zone(zone: TimeZone) -> Self {
        let names = NoCalendarFormatter::try_new(locale!("en-US").into(), SpecificLong)
            .expect("the English zone names are compiled into the program");
        Self { zone_for_names: (&zone).convert_into(), zone, names }
    }

    /// The text of an instant, in milliseconds since 1970. Years outside -9999 to 9999 print as the nearest inside.
    ///
    /// Equal to V8's from 1970 on, where the zone has not been renamed since. V8 takes the name that the zone has
    /// today, and for older instants even the one of a like year; here it is the name of its own time. The clock
    /// prints only the present, where the two agree.
    pub fn text(&self, unix_ms: i64) -> String {
        let nearest = if unix_ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
        let instant = Timestamp::from_millisecond(unix_ms).unwrap_or(nearest).to_zoned(self.zone.clone());
        let offset_seconds = instant.offset().seconds();
        let sign = if offset_seconds < 0 { '-' } else { '+' };
        // Offsets with seconds (local mean time, before 1900) lose them, as in JavaScript: `GMT+0805`.
        let offset_minutes = offset_seconds.unsigned_abs() / 60;
        format!(
            "{} GMT{sign}{:02}{:02} ({})",
            instant.strftime("%a %b %d %Y %H:%M:%S"),
            offset_minutes / 60,
            offset_minutes % 60,
            self.zone_name(&instant),
        )
    }

    /// `China Standard Time`; where English has no name for it, `GMT-05:00`.
    fn zone_name(&self, instant: &Zoned) -> String {
        let offset = UtcOffset::try_from_seconds(instant.offset().seconds()).ok();
        let named = self
            .zone_for_names
            .with_offset(offset)
            .with_zone_name_timestamp(ZoneNameTimestamp::from_epoch_seconds(instant.timestamp().as_second()));
        self.names.format(&named).to_string()
    }
}
