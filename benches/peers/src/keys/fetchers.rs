//! The compared crates, each with its default settings for fetching keys.

use std::{future::Future, pin::Pin, sync::Arc};

use axum_jwt_auth::{JwtDecoder, RemoteJwksDecoder};
use bare::{Bare, Body};
use http::{Request, StatusCode, header::AUTHORIZATION};
use jwt_authorizer::{JwtAuthorizer, Validation};
use serde::{Deserialize, Serialize};
use tower::{Layer, ServiceExt};
use tower_logout::{
    JwtVerifier,
    token::{TokenVerifier, jwt::TestIssuer},
};
use tower_oauth2_resource_server::{
    server::OAuth2ResourceServer, tenant::TenantConfiguration, validation::ClaimsValidationSpec,
};

use crate::{peers::install_backends, versions::Lock};

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Claims {
    sub: String,
}

/// A verifier that fetches keys itself.
pub(super) struct Fetcher {
    pub(super) name: String,
    pub(super) accepts: Box<dyn Fn(String) -> BoxFuture<bool> + Send + Sync>,
}

pub(super) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Starts a verifier of the tokens of an issuer.
pub(super) type Start = Box<dyn FnOnce(String) -> BoxFuture<Fetcher> + Send>;

pub(super) fn all(lock: &Lock) -> Vec<Start> {
    let name = |name: &str| format!("{name} {}", lock.version(name));
    let (authorizer, jwt_auth, oauth2) =
        (name("jwt-authorizer"), name("axum-jwt-auth"), name("tower-oauth2-resource-server"));
    vec![
        Box::new(|issuer| Box::pin(ours(issuer))),
        Box::new(|issuer| Box::pin(jwt_authorizer(authorizer, issuer))),
        Box::new(|issuer| Box::pin(axum_jwt_auth(jwt_auth, issuer))),
        Box::new(|issuer| Box::pin(tower_oauth2_resource_server(oauth2, issuer))),
    ]
}

async fn ours(issuer: String) -> Fetcher {
    let verifier: JwtVerifier<Claims> = JwtVerifier::discover(issuer)
        .claims()
        .allow_http_on_loopback()
        .start()
        .await
        .expect("the issuer is in this process");
    let accepts = move |token: String| -> BoxFuture<bool> {
        let verifier = verifier.clone();
        Box::pin(async move { verifier.verify(&token).await.is_ok() })
    };
    Fetcher { name: "tower-logout".to_owned(), accepts: Box::new(accepts) }
}

async fn jwt_authorizer(name: String, issuer: String) -> Fetcher {
    let builder = JwtAuthorizer::<Claims>::from_oidc(&issuer).validation(Validation::new().iss(&[&issuer]));
    let authorizer = Arc::new(builder.build().await.expect("the issuer is in this process"));
    let accepts = move |token: String| -> BoxFuture<bool> {
        let authorizer = Arc::clone(&authorizer);
        Box::pin(async move { authorizer.check_auth(&token).await.is_ok() })
    };
    Fetcher { name, accepts: Box::new(accepts) }
}

async fn axum_jwt_auth(name: String, issuer: String) -> Fetcher {
    install_backends();
    let mut validation = jsonwebtoken_10::Validation::new(jsonwebtoken_10::Algorithm::ES256);
    validation.set_issuer(&[&issuer]);
    // The crate requires an audience setting; the tokens have none.
    validation.set_audience(&["https://api.example/"]);
    let decoder = RemoteJwksDecoder::builder()
        .jwks_url(format!("{issuer}{}", TestIssuer::KEYS))
        .validation(validation)
        .build()
        .expect("an address and an audience");
    // It goes on fetching until the token is cancelled.
    let _ = decoder.initialize().await.expect("the issuer is in this process");
    let accepts = move |token: String| -> BoxFuture<bool> {
        let decoder = decoder.clone();
        Box::pin(async move { JwtDecoder::<Claims>::decode(&decoder, &token).await.is_ok() })
    };
    Fetcher { name, accepts: Box::new(accepts) }
}

async fn tower_oauth2_resource_server(name: String, issuer: String) -> Fetcher {
    let tenant = TenantConfiguration::builder(&issuer)
        .claims_validation(ClaimsValidationSpec::new().iss(&issuer).exp(true))
        .allowed_algorithms(&[jsonwebtoken::Algorithm::ES256])
        .build()
        .await
        .expect("the issuer is in this process");
    let server = OAuth2ResourceServer::<Claims>::builder().add_tenant(tenant).build().await.expect("one tenant");
    let service = server.into_layer::<Body>().layer(Bare);
    let accepts = move |token: String| -> BoxFuture<bool> {
        let service = service.clone();
        let request = Request::get("/").header(AUTHORIZATION, format!("Bearer {token}")).body(Body::new());
        Box::pin(async move {
            let response = service.oneshot(request.expect("a token is a header's value")).await;
            response.is_ok_and(|response| response.status() == StatusCode::OK)
        })
    };
    Fetcher { name, accepts: Box::new(accepts) }
}
