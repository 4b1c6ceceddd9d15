//! Publishing: append, then wait until the tail has it.

use crate::engine::{AppendError, Draft, Engine, Receipts};
use std::sync::Arc;
use tokio::sync::watch;

/// The way in for events. An answer comes after every shard was handed them: who reads after it, sees them.
#[derive(Clone)]
pub struct Publisher {
    engine: Arc<dyn Engine>,
    /// The newest commit that the tail and every shard have.
    visible: watch::Receiver<u64>,
}

impl Publisher {
    pub(super) fn new(engine: Arc<dyn Engine>, visible: watch::Receiver<u64>) -> Self {
        Publisher { engine, visible }
    }

    /// Commits the drafts in their order, all or none.
    ///
    /// # Errors
    /// What the engine says; [`AppendError::Stopped`] also when the pump ended before the events were seen.
    pub async fn publish(&self, drafts: Vec<Draft>) -> Result<Receipts, AppendError> {
        let receipts = self.engine.append(drafts).await?;
        let mut visible = self.visible.clone();
        visible.wait_for(|newest| *newest >= receipts.commit).await.map_err(|_| AppendError::Stopped)?;
        Ok(receipts)
    }
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}
