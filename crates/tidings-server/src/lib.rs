//! Everything of Tidings with sockets: transports, the HTTP API, grants, engines, the demo. The only crate that knows tokio and
//! HTTP on the server's side.
//!
//! [`serve`] runs a server; `app.rs` shows how it is put together. The rest is public for tests and for the tables from which the
//! reference pages are made.

mod accept;
pub mod api;
mod app;
pub mod auth;
mod clock;
mod config;
mod connection;
pub mod delivery;
pub mod demo;
pub mod engine;
pub mod explain;
mod files;
mod idempotency;
pub mod limits;
pub mod metrics;
pub mod reference;
mod stop;

pub use app::{Ended, Ready, StartError, serve};
pub use config::{ADMIN_PORT, Config, DEMO_PORT, PORT};
