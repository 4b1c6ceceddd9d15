//! The most memory that a server had, looked at while something goes on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::usage::memory_bytes;

/// How often it is looked at: often enough for what lasts as long as a pass over all subscribers, rarely enough to cost the machine
/// nothing, as each look takes the kernel up to a millisecond.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Does `work`, and tells beside its answer the most memory that these processes had meanwhile, in bytes.
pub(crate) fn during<T>(ids: &[u32], work: impl FnOnce() -> T) -> (T, u64) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut most = memory_bytes(ids);
            while !done.load(Ordering::Relaxed) {
                std::thread::park_timeout(LOOK_EVERY);
                most = most.max(memory_bytes(ids));
            }
            most
        });
        let answer = work();
        done.store(true, Ordering::Relaxed);
        watcher.thread().unpark();
        (answer, watcher.join().expect("the watcher does not panic"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_for_a_while_is_seen() {
        let own = [std::process::id()];
        let before = memory_bytes(&own);
        let (sum, peak) = during(&own, || {
            let block = vec![1_u8; 64 << 20];
            std::thread::sleep(4 * LOOK_EVERY);
            block.iter().map(|&byte| u64::from(byte)).sum::<u64>()
        });
        assert_eq!(sum, 64 << 20);
        assert!(peak > before + (48 << 20), "{before} {peak}");
    }
}
