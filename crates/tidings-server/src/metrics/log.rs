//! The numbers of the log: how large it is, how its writer keeps up, what was lost and refused.

use super::{counter, gauge};
use crate::engine::EmbeddedEngine;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use std::fmt;
use std::sync::Arc;

/// Reads the log's numbers when somebody asks.
#[derive(Debug)]
pub(super) struct LogCollector(pub(super) Arc<EmbeddedEngine>);

impl Collector for LogCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let log = self.0.log_stats();
        let events = usize::try_from(log.events).unwrap_or(usize::MAX);
        gauge(encoder, "log_events", "Events on disk, those that are dropped and not yet removed included", events)?;
        let bytes = usize::try_from(log.bytes).unwrap_or(usize::MAX);
        gauge(encoder, "log_bytes", "Bytes of records on disk", bytes)?;
        gauge(encoder, "log_topics", "Topics that have events on disk", log.topics)?;
        gauge(encoder, "log_segments", "Segments of the log", log.segments)?;
        counter(encoder, "log_batches", "Batches written to the log, each with one write and one sync", log.batches)?;
        counter(
            encoder,
            "log_damaged",
            "Damaged records and stretches of the log, found at the start or by reads",
            log.damaged,
        )?;
        counter(encoder, "log_indexes_rebuilt", "Indexes that were missing or damaged, and built anew", log.rebuilt)?;
        counter(encoder, "log_reads_refused", "Reads that the disk refused", log.refused)?;
        gauge(
            encoder,
            "log_torn_bytes",
            "Bytes of an unfinished batch that the last start cut off",
            self.0.torn_bytes(),
        )?;
        let writer = self.0.writer_counts();
        counter(encoder, "log_groups", "Groups of appends that were committed together", writer.groups)?;
        counter(encoder, "log_appends", "Appends in those groups", writer.appends)?;
        let waiting = usize::try_from(writer.waiting).unwrap_or(usize::MAX);
        gauge(encoder, "log_appends_waiting", "Appends that wait for the log's writer", waiting)?;
        counter(encoder, "log_room_waits", "Appends that waited for room in the writer's queue", writer.room_waits)?;
        let refused = writer.refused_for_space;
        counter(encoder, "log_disk_full", "Appends refused because the disk was full", refused)?;
        let health = self.0.is_failed();
        gauge(encoder, "log_failed", "1 once the log has failed and takes nothing any more", usize::from(health))?;
        let [reads, joined, unreadable] = self.0.read_counts();
        counter(encoder, "log_reads", "Reads of history made", reads)?;
        counter(encoder, "log_reads_joined", "Readers who shared a read that was under way", joined)?;
        counter(encoder, "log_unreadable", "Events passed over because their attributes could not be read", unreadable)
    }
}
