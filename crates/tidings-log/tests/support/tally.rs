//! What a campaign did: a campaign in which something never happened has shown nothing about it.

use std::fmt;

macro_rules! tally {
    ($($(#[$doc:meta])* $field:ident: $name:literal),* $(,)?) => {
        /// Counted over all seeds.
        #[derive(Clone, Copy, Debug, Default)]
        pub(crate) struct Tally { $($(#[$doc])* pub(crate) $field: u64),* }

        impl Tally {
            pub(crate) fn add(&mut self, other: &Tally) {
                $(self.$field += other.$field;)*
            }

            /// What never happened.
            pub(crate) fn missing(&self) -> Vec<&'static str> {
                let counted = [$(($name, self.$field)),*];
                counted.into_iter().filter(|(_, count)| *count == 0).map(|(name, _)| name).collect()
            }
        }

        impl fmt::Display for Tally {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let counted = [$(format!("{} {}", self.$field, $name)),*];
                f.write_str(&counted.join(", "))
            }
        }
    };
}

impl Tally {
    /// What one seed did, on average.
    pub(crate) fn a_seed(&self) -> String {
        let points = ("crash points", self.power_cuts + self.kills);
        let counted = [("operations", self.operations), ("syncs", self.syncs), ("rolls", self.rolls)];
        let counted = counted.into_iter().chain([("recycles", self.recycles), points]);
        let seeds = self.seeds.max(1) as f64;
        counted.map(|(name, count)| format!("{:.1} {name}", count as f64 / seeds)).collect::<Vec<_>>().join(", ")
    }
}

tally! {
    seeds: "seeds",
    operations: "operations",
    syncs: "syncs",
    rolls: "rolls",
    recycles: "recycles",
    removals: "removals",
    rewrites: "rewrites",
    power_cuts: "power cuts",
    kills: "kills",
    /// Of those, how many fell into `open`.
    in_open: "crashes while opening",
    clean: "clean closes",
    torn: "torn tails",
    failed_syncs: "failed syncs and writes",
    flips: "flipped bits",
    acknowledged: "appends acknowledged",
    unknown: "appends of unknown outcome",
    survived: "of them found",
    dropped: "drops",
    no_space: "times without space",
    events_read: "events read",
    gaps: "gaps told",
}
