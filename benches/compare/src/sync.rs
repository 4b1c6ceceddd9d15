//! What one sync of the file system costs: the part of a publish that no server can do without.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::stats::milliseconds;

/// One publish as a log has it: 128 bytes of data, and as much again for its record.
const RECORD: [u8; 256] = [b'x'; 256];

/// Room for more records than are ever synced in one measurement. Written before: a sync then has no metadata to bring along.
const FILE_BYTES: usize = 16 << 20;

/// Appends and syncs for `time` in a new file in `dir`. The answer has the form of the rig's: `answer_ms` with `p50` and `p99`.
///
/// # Errors
/// Those of the file system; none took place in `time`.
pub(crate) fn measure(dir: &Path, time: Duration) -> Result<Value> {
    let file = OpenOptions::new().write(true).create_new(true).open(dir.join("sync"))?;
    file.write_all_at(&vec![0; FILE_BYTES], 0)?;
    file.sync_all()?;
    let mut micros = Vec::new();
    let started = Instant::now();
    let mut offset = 0;
    while started.elapsed() < time && offset + RECORD.len() <= FILE_BYTES {
        let before = Instant::now();
        file.write_all_at(&RECORD, offset as u64)?;
        file.sync_data()?;
        micros.push(u32::try_from(before.elapsed().as_micros()).unwrap_or(u32::MAX));
        offset += RECORD.len();
    }
    ensure!(!micros.is_empty(), "no sync took place");
    Ok(json!({"answer_ms": milliseconds(&mut micros), "syncs": offset / RECORD.len()}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syncs_are_made_and_timed() {
        let dir = std::env::temp_dir().join(format!("compare-sync-{}", std::process::id()));
        std::fs::create_dir(&dir).expect("a new folder");
        let seen = measure(&dir, Duration::from_millis(50));
        let none = measure(&dir, Duration::ZERO);
        std::fs::remove_dir_all(&dir).expect("it is there");
        let seen = seen.expect("files can be written there");
        assert!(seen["syncs"].as_u64() > Some(0), "{seen}");
        assert!(seen["answer_ms"]["p50"].as_f64() <= seen["answer_ms"]["p99"].as_f64(), "{seen}");
        assert!(none.is_err(), "no time is no figure");
    }
}
