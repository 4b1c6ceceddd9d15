//! The demo's client page, served on an origin of its own: one HTML file with its script inside.

use crate::stop::Stopping;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// The page as it stands in the tree; people copy it.
const PAGE: &str = include_str!("page.html");
/// The server it listens to, as written in the page.
const SERVER_IN_PAGE: &str = "http://localhost:3200/";
/// How long a request head may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections served at once: a browser opens six.
const CONNECTIONS_MAX: usize = 64;
/// The pause after an accept that failed.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Serves the page until told to stop. `port` is where the API listens.
pub(crate) async fn serve(listener: TcpListener, port: u16, mut stopping: Stopping) {
    let page = Bytes::from(PAGE.replace(SERVER_IN_PAGE, &format!("http://localhost:{port}/")));
    let room = std::sync::Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping.stopped() => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(BACK_OFF).await;
            continue;
        };
        // Beyond the bound a connection is dropped: nobody but a browser or two has business here.
        let Ok(permit) = room.clone().try_acquire_owned() else { continue };
        let page = page.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| {
                let response = answer(&request, &page);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .serve_connection(TokioIo::new(stream), answer);
            // A page that was not fetched to its end is the browser's affair.
            let _ = connection.await;
            drop(permit);
        });
    }
}

fn answer(request: &Request<Incoming>, page: &Bytes) -> Response<Full<Bytes>> {
    let is_page = matches!(request.uri().path(), "/" | "/index.html");
    let (status, content_type, body) = match (request.method(), is_page) {
        (&Method::GET | &Method::HEAD, true) => (StatusCode::OK, "text/html; charset=utf-8", page.clone()),
        (&Method::GET | &Method::HEAD, false) => (StatusCode::NOT_FOUND, "text/plain", "not found\n".into()),
        _ => (StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET\n".into()),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}
