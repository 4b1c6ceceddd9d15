//! The wall clock, read in one place: the time that events bear, and that `since=10m` counts back from.

use std::time::{SystemTime, UNIX_EPOCH};
use tidings_hub::UnixMillis;

/// The time now. Before 1970 is a clock that was never set, and reads as 1970.
pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The same for those who count up from 1970 only.
pub(crate) fn unix_millis() -> u64 {
    u64::try_from(now().0).unwrap_or(0)
}
