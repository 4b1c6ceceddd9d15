//! A subscription that was let in and has not begun: what it asks for, and its place.

use super::room::Place;
use tidings_hub::{Framing, ResumePoint, Spec};

/// What a transport starts with. Dropping it gives the place back.
pub struct Subscribing {
    pub(super) spec: Spec,
    pub(super) resume: ResumePoint,
    pub(super) place: Place,
    /// Something that lives as long as somebody listens.
    pub(super) guard: Option<Guard>,
}

/// Something that lives as long as a stream does.
pub(super) type Guard = Box<dyn Send + Sync>;

impl Subscribing {
    /// Keeps `guard` for as long as somebody listens.
    #[must_use]
    pub(crate) fn with_guard(mut self, guard: impl Send + Sync + 'static) -> Self {
        self.guard = Some(Box::new(guard));
        self
    }

    /// The transport says how it frames what it sends.
    #[must_use]
    pub(crate) fn framed(mut self, framing: Framing) -> Self {
        self.spec.format.framing = framing;
        self
    }
}

impl std::fmt::Debug for Subscribing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscribing").field("spec", &self.spec).field("resume", &self.resume).finish_non_exhaustive()
    }
}
