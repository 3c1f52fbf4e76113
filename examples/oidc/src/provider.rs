//! The identity provider at which users sign in: its endpoints, and its tokens.

use std::error::Error;

use axum::{
    body::Bytes,
    http::{
        Request, StatusCode,
        header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use form_urlencoded::{Serializer, byte_serialize};
use http_body_util::{BodyExt, Limited};
use serde::{Deserialize, de::DeserializeOwned};
use tower_logout::{
    JwtVerifier,
    fetch::{Fetch, HttpClient},
    token::TokenVerifier,
};

use crate::settings::{Client, Settings};

/// A provider, and this service as its client.
pub(crate) struct Provider {
    metadata: Metadata,
    client: Client,
    scope: String,
    audience: String,
    /// Where the provider sends browsers back to.
    pub(crate) redirect: String,
    http: HttpClient,
    id_tokens: JwtVerifier<IdToken>,
}

/// The members of the discovery document that are used here.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    pub(crate) introspection_endpoint: Option<String>,
}

/// What the provider returns for an authorization code.
#[derive(Deserialize)]
pub(crate) struct Tokens {
    pub(crate) access_token: String,
    id_token: String,
    /// In seconds.
    pub(crate) expires_in: Option<u64>,
}

#[derive(Deserialize)]
struct IdToken {
    nonce: String,
}

impl Metadata {
    /// Reads the discovery document of an issuer.
    pub(crate) async fn of(issuer: &str, http: &HttpClient) -> Result<Self, Box<dyn Error>> {
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let metadata: Self = send(http, Request::get(&url).body(Bytes::new())?).await?;
        if metadata.issuer != issuer {
            return Err(format!("{url} is of another issuer, {:?}: set ISSUER to exactly that", metadata.issuer).into());
        }
        Ok(metadata)
    }
}

impl Provider {
    pub(crate) async fn new(
        metadata: Metadata,
        client: Client,
        settings: &Settings,
        redirect: String,
        http: HttpClient,
    ) -> Result<Self, Box<dyn Error>> {
        // ID tokens are for the client, access tokens are for the service.
        let id_tokens = JwtVerifier::discover(&metadata.issuer).audience(&client.id).claims().allow_http_on_loopback();
        let id_tokens = id_tokens.start().await?;
        let (scope, audience) = (settings.scope.clone(), settings.audience.clone());
        Ok(Self { metadata, client, scope, audience, redirect, http, id_tokens })
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.metadata.issuer
    }

    /// The address at which the user signs in (OpenID Connect Core, section 3.1.2.1, and PKCE,
    /// RFC 7636).
    pub(crate) fn sign_in(&self, state: &str, nonce: &str, challenge: &str) -> String {
        let mut query = Serializer::new(String::new());
        query.extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.client.id),
            ("redirect_uri", &self.redirect),
            ("scope", &self.scope),
            ("state", state),
            ("nonce", nonce),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256"),
            // What the access token is for: by RFC 8707, and as Auth0 calls it.
            ("resource", &self.audience),
            ("audience", &self.audience),
        ]);
        let separator = if self.metadata.authorization_endpoint.contains('?') { '&' } else { '?' };
        format!("{}{separator}{}", self.metadata.authorization_endpoint, query.finish())
    }

    /// Exchanges an authorization code for tokens, and verifies that they belong to the sign-in with
    /// this nonce.
    pub(crate) async fn tokens(&self, code: &str, verifier: &str, nonce: &str) -> Result<Tokens, Box<dyn Error>> {
        let tokens: Tokens = send(&self.http, self.code_for_tokens(code, verifier)?).await?;
        let id_token = self.id_tokens.verify(&tokens.id_token).await?;
        if id_token.nonce != nonce {
            return Err("the ID token belongs to another sign-in".into());
        }
        Ok(tokens)
    }

    /// The request of RFC 6749, section 4.1.3.
    fn code_for_tokens(&self, code: &str, verifier: &str) -> Result<Request<Bytes>, axum::http::Error> {
        let mut form = Serializer::new(String::new());
        form.extend_pairs([
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect),
            ("code_verifier", verifier),
            ("resource", &self.audience),
        ]);
        let mut request = Request::post(&self.metadata.token_endpoint);
        if let Some(secret) = &self.client.secret {
            // Both are encoded as in a form (section 2.3.1).
            let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
            let credentials = format!("{}:{}", encoded(&self.client.id), encoded(secret));
            request = request.header(AUTHORIZATION, format!("Basic {}", STANDARD.encode(credentials)));
        } else {
            form.append_pair("client_id", &self.client.id);
        }
        request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.finish().into())
    }
}

/// Sends a request whose response is JSON.
async fn send<T: DeserializeOwned>(http: &HttpClient, mut request: Request<Bytes>) -> Result<T, Box<dyn Error>> {
    let url = request.uri().to_string();
    request.headers_mut().insert(ACCEPT, "application/json".parse()?);
    let answer = http.fetch(request).await.map_err(|error| format!("{url} does not answer: {error}"))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), RESPONSE_MAX).collect().await.map_err(|error| error.to_string())?;
    if status != StatusCode::OK {
        // RFC 6749, section 5.2: the provider's description of what is wrong with the request.
        #[derive(Default, Deserialize)]
        struct Failure {
            #[serde(default)]
            error: String,
            #[serde(default)]
            error_description: String,
        }
        let Failure { error, error_description } = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
        return Err(format!("{url} answers {status} {error:?} {error_description:?}").into());
    }
    Ok(serde_json::from_slice(&body.to_bytes()).map_err(|_| format!("{url} does not answer as it should"))?)
}

const RESPONSE_MAX: usize = 512 * 1024;
