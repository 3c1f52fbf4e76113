//! async-graphql on axum: queries have access to the token's claims, and subscriptions end with the
//! token.

use async_graphql::{
    Context, EmptyMutation, Object, Schema, Subscription,
    futures_util::{SinkExt, Stream, StreamExt},
    http::ALL_WEBSOCKET_PROTOCOLS,
};
use async_graphql_axum::{GraphQLProtocol, GraphQLRequest, GraphQLResponse, GraphQLWebSocket};
use axum::{
    Extension, Router,
    extract::{
        WebSocketUpgrade,
        ws::{CloseFrame, Message},
    },
    response::Response,
    routing::post,
};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, client::IntoClientRequest},
};
use tower_logout::{RevocationWatch, VerifiedToken};

use crate::{
    axum_stack::serve,
    client::{assert_revoked, send, within},
    user::{ANN, User, logout},
};

#[tokio::test]
async fn a_logout_ends_the_token_and_its_subscriptions() {
    let logout = logout();
    let app = Router::new()
        .route("/graphql", post(query).get(subscribe))
        .layer(logout.axum_layer())
        .layer(Extension(Schema::new(Query, EmptyMutation, Events)))
        .route_service("/logout", logout.service());
    let addr = serve(app).await;
    assert_eq!(send(addr, "POST", "/graphql", None, ME).await.0, 401);
    assert_eq!(send(addr, "POST", "/graphql", Some(ANN), ME).await, (200, r#"{"data":{"me":"ann"}}"#.to_owned()));

    let mut request = format!("ws://{addr}/graphql").into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {ANN}").parse().unwrap());
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    let (mut socket, _) = within(connect_async(request)).await.unwrap();
    tell(&mut socket, &json!({ "type": "connection_init" })).await;
    assert_eq!(hear(&mut socket).await["type"], "connection_ack");
    let subscription = json!({ "query": "subscription { numbers }" });
    tell(&mut socket, &json!({ "type": "subscribe", "id": "1", "payload": subscription })).await;
    assert_eq!(hear(&mut socket).await["payload"]["data"]["numbers"], 1);

    assert_eq!(send(addr, "POST", "/logout", Some(ANN), "").await.0, 200);
    let tungstenite::Message::Close(Some(close)) = within(socket.next()).await.unwrap().unwrap() else {
        panic!("the server closes the connection");
    };
    assert_eq!((u16::from(close.code), close.reason.as_str()), (UNAUTHORIZED, "token_revoked"));
    assert_revoked(&send(addr, "POST", "/graphql", Some(ANN), ME).await);
}

type Api = Schema<Query, EmptyMutation, Events>;

async fn query(Extension(api): Extension<Api>, token: VerifiedToken<User>, request: GraphQLRequest) -> GraphQLResponse {
    api.execute(request.into_inner().data(token)).await.into()
}

async fn subscribe(
    Extension(api): Extension<Api>,
    protocol: GraphQLProtocol,
    watch: RevocationWatch,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade.protocols(ALL_WEBSOCKET_PROTOCOLS).on_upgrade(async move |socket| {
        let (mut sink, stream) = socket.split();
        tokio::select! {
            () = GraphQLWebSocket::new_with_pair(&mut sink, stream, api, protocol).serve() => {}
            reason = watch => {
                let close = CloseFrame { code: UNAUTHORIZED, reason: reason.code().into() };
                // Fails if the client has disconnected.
                let _ = sink.send(Message::Close(Some(close))).await;
            }
        }
    })
}

struct Query;

#[Object]
impl Query {
    async fn me<'a>(&self, context: &Context<'a>) -> &'a str {
        &context.data_unchecked::<VerifiedToken<User>>().0
    }
}

struct Events;

#[Subscription]
impl Events {
    /// One number, and then no more.
    async fn numbers(&self) -> impl Stream<Item = i32> {
        crate::client::events().map(|Ok(_)| 1)
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn tell(socket: &mut Socket, message: &Value) {
    socket.send(message.to_string().into()).await.unwrap();
}

async fn hear(socket: &mut Socket) -> Value {
    let message = within(socket.next()).await.unwrap().unwrap();
    serde_json::from_str(message.to_text().unwrap()).unwrap()
}

const ME: &str = r#"{"query":"{ me }"}"#;

/// A close code of the protocol `graphql-transport-ws`.
const UNAUTHORIZED: u16 = 4401;
