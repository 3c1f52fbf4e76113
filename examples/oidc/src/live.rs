//! Live streams: events and a WebSocket. Both end with the token that opened them.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket},
    },
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
};
use futures_util::StreamExt;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_stream::wrappers::IntervalStream;
use tower_logout::RevocationWatch;

use crate::App;

/// The server's time each second, in milliseconds since the Unix epoch. The layer ends the stream
/// with its own last event.
pub(crate) async fn events() -> impl IntoResponse {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    Sse::new(IntervalStream::new(seconds).map(|_| Ok::<_, Infallible>(time())))
}

fn time() -> Event {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Event::default().event("time").data(now.as_millis().to_string())
}

/// Sends each message back.
///
/// After the upgrade there is no body that the layer could end, so the handler watches the token.
pub(crate) async fn echo(State(app): State<Arc<App>>, watch: RevocationWatch, upgrade: WebSocketUpgrade) -> Response {
    let open = app.sockets.subscribe();
    upgrade.max_message_size(MESSAGE_MAX).on_upgrade(async move |socket| {
        echo_until(watch, socket).await;
        drop(open);
    })
}

async fn echo_until(over: RevocationWatch, mut socket: WebSocket) {
    let close = tokio::select! {
        biased; // a client that never pauses must not outrun the logout
        reason = over => CloseFrame { code: reason.close_code(), reason: reason.description().into() },
        () = echo_all(&mut socket) => return,
    };
    // A client that does not read delays the end by no more than this.
    let _ = timeout(CLOSING, close_with(close, &mut socket)).await;
}

/// Resolves when the client disconnects.
async fn echo_all(socket: &mut WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let is_data = matches!(message, Message::Text(_) | Message::Binary(_));
        if is_data && socket.send(message).await.is_err() {
            return;
        }
    }
}

/// Sends the close frame and waits for the client's, so that the connection stays open until the
/// client has read the frame.
async fn close_with(close: CloseFrame, socket: &mut WebSocket) {
    if socket.send(Message::Close(Some(close))).await.is_ok() {
        while let Some(Ok(_)) = socket.recv().await {}
    }
}

const MESSAGE_MAX: usize = 64 * 1024;
const CLOSING: Duration = Duration::from_secs(2);
