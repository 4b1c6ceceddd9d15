//! Everything of Tidings with sockets: transports, the HTTP API, grants, engines, the demo. The only crate that knows tokio and
//! HTTP on the server's side.
//!
//! [`serve`] runs a server; `app.rs` shows how it is put together. The rest is public for tests and for the tables from which the
//! reference pages are made.

mod abort;
mod accept;
pub mod api;
mod app;
pub mod auth;
mod clock;
mod config;
mod connection;
pub mod data;
mod data_dir;
pub mod delivery;
pub mod demo;
pub mod engine;
pub mod explain;
mod files;
mod front;
mod idempotency;
pub mod limits;
pub mod metrics;
pub mod reference;
mod retention;
mod small;
mod stop;
#[cfg(test)]
mod testing;
pub mod units;

pub use app::{Ended, Ready, StartError, serve};
pub use config::{ADMIN_PORT, Config, DATA_DIR, DEMO_PORT, PORT};
pub use retention::{BadRule, Retention, RetentionRule};
