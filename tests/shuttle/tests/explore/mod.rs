//! Runs a scenario again and again, each time in another order of its threads' steps. Who waits for ever is found at once: all wait.

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

/// Orders tried in each of two ways. Each bug that was planted to see whether it is found was found within a tenth of them.
const ORDERS: usize = 4_000;
/// Turns of the tables in one order of the second way: most bugs need one or two.
const TURNS: usize = 3;
/// Every run tries the same orders. `SHUTTLE_RANDOM_SEED` is shuttle's own way to try others.
const SEED: u64 = 5;
/// Of each thread: the log's own stack is a thread's, not a task's.
const STACK_BYTES: usize = 256 << 10;

/// Panics with the order in which the scenario failed. At random, steps of all threads are mixed; with priorities that turn a few times
/// (PCT), one thread runs far ahead of another.
pub(crate) fn explore(scenario: impl Fn() + Send + Sync + Copy + 'static) {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    // What is counted without an order between threads is counted by one instruction.
    config.silence_warnings = true;
    // Else a thread that panics while others wait for it ends the process before the order is told.
    config.ungraceful_shutdown_config.immediately_return_on_panic = true;
    Runner::new(RandomScheduler::new_from_seed(SEED, ORDERS), config.clone()).run(scenario);
    Runner::new(PctScheduler::new_from_seed(SEED, TURNS, ORDERS), config).run(scenario);
}
