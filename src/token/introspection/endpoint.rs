//! [`Endpoint`]: asks the authorization server about a token.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::{
    HeaderValue, Method, Request,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use serde::de::DeserializeOwned;
use tokio::{sync::Semaphore, time::timeout};

use super::{
    IntrospectionError,
    answer::{self, JSON, JWT, Requirements},
    authentication::Authentication,
    settings::RequestSettings,
    verdict::Verdict,
};
use crate::{
    clock::{Clock, Timestamp},
    fetch::{self, Address, Fetch, Limits},
    token::jwt::SignedAnswers,
};

/// The introspection endpoint of an authorization server.
pub(super) struct Endpoint {
    pub(super) address: Address,
    pub(super) authentication: Authentication,
    /// If answers must be signed (RFC 9701).
    pub(super) signed: Option<SignedAnswers>,
    pub(super) client: Arc<dyn Fetch>,
    pub(super) settings: RequestSettings,
    /// One permit for each request that may run.
    pub(super) turns: Semaphore,
}

/// A verdict, and when the server was asked and the answer judged.
pub(super) struct Judged<C> {
    pub(super) verdict: Verdict<C>,
    pub(super) sent: Timestamp,
    pub(super) at: Timestamp,
}

impl Endpoint {
    /// Asks the server about this token, when it is this request's turn.
    pub(super) async fn ask<C: DeserializeOwned>(
        &self,
        token: &str,
        requirements: &Requirements,
        clock: &dyn Clock,
    ) -> Result<Judged<C>, IntrospectionError> {
        let turn = timeout(self.settings.timeout, self.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else { return Err(IntrospectionError::Busy) };
        let request = self.request(token)?;
        // Before the request, so that an answer counts as old as the server's knowledge at least.
        let sent = clock.now();
        let limits = Limits { timeout: self.settings.timeout, len: MAX_LEN };
        let reply = fetch::send(&self.client, request, limits).await?;
        let at = clock.now();
        let verdict = match &self.signed {
            None => answer::judge(answer::document(&reply, JSON)?, token, requirements, at),
            Some(signed) => {
                let json = signed.verify(answer::document(&reply, JWT)?.trim_ascii(), sent, at).await?;
                answer::judge(&json, token, requirements, at)
            }
        }?;
        Ok(Judged { verdict, sent, at })
    }

    /// RFC 7662, section 2.1. Never GET, whose URL would be in the server's logs.
    fn request(&self, token: &str) -> Result<Request<Bytes>, IntrospectionError> {
        let mut form = Serializer::new(String::new());
        form.append_pair("token", token).append_pair("token_type_hint", "access_token");
        self.authentication.add_to_form(&mut form);
        let mut request = Request::new(Bytes::from(form.finish()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.address.uri().clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static(if self.signed.is_some() { JWT } else { JSON }));
        if let Some(authorization) = self.authentication.header()? {
            headers.insert(AUTHORIZATION, authorization);
        }
        Ok(request)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("address", &self.address)
            .field("authentication", &self.authentication)
            .field("signed", &self.signed)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// The longest response, in bytes.
const MAX_LEN: usize = 64 * 1024;
