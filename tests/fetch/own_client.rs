//! Promise: the application's own HTTP client can be used in place of the default one.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use tower_logout::fetch::Fetch;

use super::support::{OK, Server, get};

/// The application's `reqwest`, as in the guide.
fn own() -> impl Fetch {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    move |request: Request<Bytes>| {
        let client = client.clone();
        async move {
            let response = client.execute(request.try_into()?).await?;
            Ok::<http::Response<reqwest::Body>, reqwest::Error>(response.into())
        }
    }
}

#[tokio::test]
async fn reqwest_is_a_client() {
    let server = Server::http(async |mut connection| connection.answer_all(OK).await).await;
    let response = get(&own(), &server.url("http", "localhost")).await.unwrap();
    assert_eq!((response.status().as_u16(), response.body().as_str()), (200, "ok"));
    let _: Arc<dyn Fetch> = Arc::new(own());
}
