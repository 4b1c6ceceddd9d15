//! The allocator, and how soon it gives memory back.
//!
//! Connections come in storms, and each needs some kilobytes until its stream has begun: what is left of that is given back half a second
//! later, by a thread of the allocator's own, and not ten seconds later by whoever allocates next, if anybody does.

// Measured: mimalloc takes 1.3 to 1.8 times the memory here (DESIGN.md 12).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What jemalloc reads of itself when it starts (jemalloc(3), "TUNING"): a string that ends with a zero, under this name.
// Sound: jemalloc declares it weak and constant, reads it once, and this one is never written.
#[allow(unsafe_code)]
#[unsafe(export_name = "_rjem_malloc_conf")]
pub(crate) static MALLOC_CONF: &[u8; 59] = b"background_thread:true,dirty_decay_ms:500,muzzy_decay_ms:0\0";
