//! A peer: what a program has that serves events with axum's own `Sse` and a channel of tokio's for each topic. In memory.
//!
//! `peer-axum ADDR`; `GET /topics/{topic}` listens, `POST /topics/{topic}` publishes its body.

use std::collections::HashMap;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::get;
use axum::serve::ListenerExt as _;
use tokio::sync::broadcast;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::BroadcastStream;

/// Events a topic keeps for slow readers: seconds of the fastest run, and about a megabyte, allocated at once. A reader that falls
/// further behind misses events, and its run is no figure.
const BEHIND_MAX: usize = 16_384;

type Topics = Arc<Mutex<HashMap<String, broadcast::Sender<Arc<str>>>>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let addr: SocketAddr = std::env::args().nth(1).ok_or("usage: peer-axum ADDR")?.parse()?;
    let app = Router::new().route("/topics/{topic}", get(listen).post(publish)).with_state(Topics::default());
    // Without it the kernel holds small frames back until earlier ones are acknowledged, for up to 40 ms.
    let listener = tokio::net::TcpListener::bind(addr).await?.tap_io(|socket| {
        let _ = socket.set_nodelay(true);
    });
    axum::serve(listener, app).await?;
    Ok(())
}

async fn listen(State(topics): State<Topics>, Path(topic): Path<String>) -> impl IntoResponse {
    let events = BroadcastStream::new(channel(&topics, topic).subscribe()).filter_map(Result::ok);
    Sse::new(events.map(|data| Ok::<_, std::convert::Infallible>(Event::default().data(data))))
        .keep_alive(KeepAlive::default())
}

async fn publish(State(topics): State<Topics>, Path(topic): Path<String>, data: String) {
    // Nobody listening is no error.
    let _ = channel(&topics, topic).send(data.into());
}

fn channel(topics: &Topics, topic: String) -> broadcast::Sender<Arc<str>> {
    let mut topics = topics.lock().unwrap_or_else(PoisonError::into_inner);
    topics.entry(topic).or_insert_with(|| broadcast::Sender::new(BEHIND_MAX)).clone()
}
