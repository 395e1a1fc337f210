//! Connections and requests: bounds before anything is parsed, a task of its own for each handler.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tower::Service;

use super::{
    Listeners, Peer, Problem,
    listen::{Accepted, Place},
    path,
};

/// Connections at the same time at one place; more wait to be accepted.
const CONNECTIONS: usize = 512;
/// How long a handshake may take.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// What is answered to who asks without TLS where there is TLS alone. Nothing of the request is repeated.
const SPEAKS_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 42\r\n\
    cache-control: no-store\r\nconnection: close\r\n\r\nthis port speaks TLS: write `https://...`\n";
/// How long the head of a request may take to arrive.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// Headers of a request at most.
const HEADERS: usize = 64;
/// Bytes of a request's head at most.
const HEAD_BYTES: usize = 32 << 10;

/// Serves the listeners until told to stop, then lets open requests end; dropping it cuts them off.
pub async fn serve(listeners: Listeners, stop: watch::Receiver<bool>) {
    let mut places = JoinSet::new();
    for (place, router) in listeners.into_places() {
        places.spawn(accept_all(place, router, stop.clone()));
    }
    while places.join_next().await.is_some() {}
}

/// Serves one place. Each has room of its own: whoever fills that of the network keeps nobody from the socket.
async fn accept_all(place: Place, router: Router, mut stop: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let permit = tokio::select! {
            Ok(permit) = Arc::clone(&room).acquire_owned() => permit,
            () = stopped(&mut stop) => break,
        };
        let accepted = tokio::select! {
            accepted = place.accept() => accepted,
            () = stopped(&mut stop) => break,
        };
        while connections.try_join_next().is_some() {}
        let (router, stop) = (router.clone(), stop.clone());
        match accepted {
            Ok((Accepted::Unix(stream), peer)) => connections.spawn(connection(stream, peer, router, stop, permit)),
            Ok((Accepted::Tcp(stream), peer)) => connections.spawn(connection(stream, peer, router, stop, permit)),
            Ok((Accepted::Tls(stream, acceptor), peer)) => {
                connections.spawn(secured(stream, acceptor, peer, router, stop, permit))
            }
            Err(error) => {
                // Too many open files, or a peer that was gone at once: the next may go well.
                tracing::warn!(%error, "a connection was not accepted");
                #[expect(clippy::disallowed_methods, reason = "a pause of the accept loop in running time")]
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
    }
    drop(place);
    while connections.join_next().await.is_some() {}
}

/// A connection that begins with a handshake, in its own task and within its own time.
async fn secured(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    peer: Peer,
    router: Router,
    mut stop: watch::Receiver<bool>,
    permit: OwnedSemaphorePermit,
) {
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(HANDSHAKE_PATIENCE, handshake(stream, &acceptor)) => shaken,
        () = stopped(&mut stop) => return,
    };
    match shaken {
        Ok(Ok(stream)) => connection(stream, peer, router, stop, permit).await,
        Ok(Err(error)) => tracing::debug!(?peer, %error, "a handshake failed"),
        Err(_) => tracing::debug!(?peer, "a handshake took too long"),
    }
}

async fn handshake(mut stream: TcpStream, acceptor: &TlsAcceptor) -> io::Result<TlsStream<TcpStream>> {
    let mut first = [0];
    // A handshake begins with byte 22, a request with a capital letter.
    if stream.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase() {
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await?;
        stream.write_all(SPEAKS_TLS).await?;
        stream.shutdown().await?;
        return Err(io::Error::other("it was asked without TLS"));
    }
    acceptor.accept(stream).await
}

async fn connection<S>(stream: S, peer: Peer, router: Router, mut stop: watch::Receiver<bool>, _: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let router = router.clone();
        async move { Ok::<_, Infallible>(answer(router, peer, request.map(Body::new)).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_headers(HEADERS)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The sender is gone only when everything ends.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Answers one request. Its handler goes on when the asker hangs up, and may panic.
async fn answer(mut router: Router, peer: Peer, mut request: Request) -> Response<Body> {
    if let Err(problem) = path::check(request.uri().path()) {
        return guarded(problem.into_response());
    }
    request.extensions_mut().insert(peer);
    let handler = tokio::spawn(async move { router.call(request).await });
    let response = match handler.await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => {
            tracing::error!("a handler panicked");
            let hint = "report this with the daemon's log";
            let detail = "a defect of keywheel ended the request";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "panicked", detail, hint).into_response()
        }
    };
    guarded(response)
}

const GUARDS: [(HeaderName, &str); 7] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Adds the headers that every answer carries.
fn guarded(mut response: Response<Body>) -> Response<Body> {
    for (name, value) in GUARDS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::routing::get;

    use super::*;

    const PEER: Peer = Peer::Unix { uid: 0 };

    fn router() -> Router {
        Router::new().route("/ok", get(|| async { "ok" })).route("/panic", get(panics))
    }

    async fn panics() -> &'static str {
        std::hint::black_box(None::<&str>).expect("always")
    }

    async fn ask(path: &str) -> Response<Body> {
        let request = Request::builder().uri(path).body(Body::empty()).expect("a request");
        answer(router(), PEER, request).await
    }

    #[tokio::test]
    async fn a_panic_is_a_500_and_the_next_request_is_answered() {
        assert_eq!(ask("/panic").await.status(), 500);
        assert_eq!(ask("/ok").await.status(), 200);
    }

    #[tokio::test]
    async fn every_answer_forbids_caching() {
        for path in ["/ok", "/panic", "/missing", "/a/%2e%2e"] {
            let response = ask(path).await;
            assert_eq!(response.headers()["cache-control"], "no-store", "{path}");
            assert_eq!(response.headers()["x-content-type-options"], "nosniff", "{path}");
        }
    }

    #[tokio::test]
    async fn a_path_that_is_refused_is_not_routed() {
        assert_eq!(ask("/%2e%2e/ok").await.status(), 400);
        assert_eq!(ask("//ok").await.status(), 400);
    }
}
