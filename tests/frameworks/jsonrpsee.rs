//! jsonrpsee: the layer as the server's HTTP middleware, and the logout as a method.

use jsonrpsee::{
    Extensions, RpcModule,
    core::RpcResult,
    server::Server,
    types::{ErrorObjectOwned, error::INTERNAL_ERROR_CODE},
};
use tower::ServiceBuilder;
use tower_logout::VerifiedToken;

use crate::{
    client::{assert_revoked, send},
    user::{ANN, User, logout},
};

#[tokio::test]
async fn a_logout_ends_the_token_of_a_json_rpc_client() {
    let logout = logout();
    let mut module = RpcModule::new(logout.revoker());
    module.register_method("me", |_, _, extensions| token(extensions).0.clone()).unwrap();
    module
        .register_async_method("logout", async |_, revoker, extensions| -> RpcResult<bool> {
            let revoked = revoker.token(token(&extensions).identity()).await;
            revoked.map(|_| true).map_err(|_| ErrorObjectOwned::borrowed(INTERNAL_ERROR_CODE, "try again", None))
        })
        .unwrap();
    let server = Server::builder()
        .set_http_middleware(ServiceBuilder::new().layer(logout.layer()))
        .build("127.0.0.1:0")
        .await
        .unwrap();
    let addr = server.local_addr().unwrap();
    let _running = server.start(module);

    assert_eq!(send(addr, "POST", "/", None, ME).await.0, 401);
    let me = (200, r#"{"jsonrpc":"2.0","id":1,"result":"ann"}"#.to_owned());
    assert_eq!(send(addr, "POST", "/", Some(ANN), ME).await, me);
    let logged_out = (200, r#"{"jsonrpc":"2.0","id":2,"result":true}"#.to_owned());
    assert_eq!(send(addr, "POST", "/", Some(ANN), LOGOUT).await, logged_out);
    assert_revoked(&send(addr, "POST", "/", Some(ANN), ME).await);
    assert_revoked(&send(addr, "POST", "/", Some(ANN), LOGOUT).await);
}

fn token(extensions: &Extensions) -> &VerifiedToken<User> {
    extensions.get().expect("the layer lets no other request pass")
}

const ME: &str = r#"{"jsonrpc":"2.0","id":1,"method":"me"}"#;
const LOGOUT: &str = r#"{"jsonrpc":"2.0","id":2,"method":"logout"}"#;
