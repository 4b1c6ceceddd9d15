//! Hash tables whose seed is an argument, so that a simulation repeats bit for bit (invariant 10).

use foldhash::fast::FixedState;

/// A hash map with a fixed seed.
pub(crate) type Map<K, V> = hashbrown::HashMap<K, V, FixedState>;

/// An empty map.
pub(crate) fn map<K, V>(seed: u64) -> Map<K, V> {
    Map::with_hasher(FixedState::with_seed(seed))
}
