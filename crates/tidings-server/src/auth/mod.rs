//! Who may do what. Nobody else makes a grant (invariant 7): what a request may do is decided here, once, when it comes in.
//!
//! This release serves local use alone. The checks that keep strangers out (`Host`, `Origin`, proxies) stand in `api/local.rs`;
//! who has passed them is the machine's own user, and may do everything.

use std::sync::{Arc, LazyLock};
use tidings_hub::Grant;

/// The grant of an anonymous caller in local mode. One for all: equal grants share what the hub memoises for them, and sharing the
/// allocation makes that comparison a glance.
pub fn local() -> Arc<Grant> {
    static LOCAL: LazyLock<Arc<Grant>> = LazyLock::new(|| Arc::new(Grant::local()));
    LOCAL.clone()
}
