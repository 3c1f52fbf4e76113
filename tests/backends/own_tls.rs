//! Promise: an application with both crypto providers of rustls, and its own HTTP client, keeps
//! working when it adds this library with `oidc`.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use rustls::crypto::{CryptoProvider, ring};
use tower_logout::JwtVerifier;

/// The URL of a server that answers every request.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    let url = format!("http://{}/", listener.local_addr().expect("it is bound"));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a client has connected");
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
        }
    });
    url
}

/// Why a verifier cannot start, whose keys are at an address where nobody listens.
async fn failure() -> String {
    let verifier = JwtVerifier::jwks("https://idp.example", "https://127.0.0.1:1/keys").allow_any_audience();
    format!("{:?}", verifier.start().await.expect_err("nobody listens"))
}

// One test, because the default provider is that of the process.
#[test]
fn nothing_of_the_application_changes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("there are threads");
    runtime.block_on(async {
        // `Client::new` would panic if the library had enabled TLS without a provider.
        let client = reqwest::Client::new();
        let response = client.get(server()).send().await.expect("the server answers");
        assert_eq!(response.text().await.expect("it is text"), "ok");

        let error = failure().await;
        assert!(error.contains("install_default()"), "{error}");
        assert!(CryptoProvider::get_default().is_none(), "the library has installed a provider");

        // The application's choice is used, whatever the library verifies signatures with.
        ring::default_provider().install_default().expect("there is none");
        let error = failure().await;
        assert!(error.contains("refused"), "{error}");
    });
}
