//! `lambda_http`: the services that `lambda_http::run` accepts, called with events in the format of
//! AWS.

use std::{convert::Infallible, fmt::Debug};

use lambda_http::{
    Adapter, Body, Context, IntoResponse, LambdaEvent, Request, Response, Service, request::LambdaRequest,
};
use serde_json::json;
use tower::{ServiceBuilder, ServiceExt};
use tower_logout::{VerifiedToken, middleware::RequestBody};

use crate::{
    client::assert_revoked,
    user::{ANN, User, logout},
};

#[tokio::test]
async fn a_logout_ends_the_token_of_a_lambda_function() {
    let logout = logout();
    let function = ServiceBuilder::new().layer(logout.layer()).service_fn(me);
    assert_eq!(invoke(function.clone(), None).await.0, 401);
    assert_eq!(invoke(function.clone(), Some(ANN)).await, (200, ANN.to_owned()));
    assert_eq!(invoke(logout.service(), Some(ANN)).await.0, 200);
    assert_revoked(&invoke(function, Some(ANN)).await);
    assert_revoked(&invoke(logout.service(), Some(ANN)).await);
}

async fn me(request: http::Request<RequestBody<Body>>) -> Result<Response<Body>, Infallible> {
    let token = request.extensions().get::<VerifiedToken<User>>().expect("the layer lets no other request pass");
    Ok(Response::new(token.0.as_str().into()))
}

/// Has the bounds of `lambda_http::run`.
async fn invoke<S>(function: S, token: Option<&str>) -> (u16, String)
where
    S: Service<Request, Response: IntoResponse, Error: Debug, Future: Send>,
{
    let mut headers = json!({ "host": "api.example" });
    if let Some(token) = token {
        headers["authorization"] = format!("Bearer {token}").into();
    }
    let http =
        json!({ "method": "POST", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "" });
    let event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/",
        "rawQueryString": "",
        "headers": headers,
        "isBase64Encoded": false,
        "requestContext": {
            "accountId": "1", "apiId": "1", "domainName": "api.example", "domainPrefix": "api", "http": http,
            "requestId": "1", "routeKey": "$default", "stage": "$default",
            "time": "06/May/2020:22:36:55 +0000", "timeEpoch": 1_588_804_615_616_u64,
        },
    });
    let event: LambdaRequest = serde_json::from_value(event).expect("it is an event of an API gateway");
    let response = Adapter::from(function).oneshot(LambdaEvent::new(event, Context::default())).await.unwrap();
    let response = serde_json::to_value(response).unwrap();
    let body = response["body"].as_str().unwrap_or_default().to_owned();
    (u16::try_from(response["statusCode"].as_u64().unwrap()).unwrap(), body)
}
