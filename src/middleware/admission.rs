//! Admits a request to the inner service, and releases its response.

use std::sync::Arc;

use http::{Extensions, Request, Response};
use http_body::Body;

#[cfg(feature = "axum")]
use crate::middleware::axum::Anonymous;
use crate::{
    guard::{Admitted, AdmittedToken, RevocationWatch},
    middleware::{
        Shared,
        bodies::{RequestBodies, ResponseBodies, is_long},
        ending::Ending,
        request_body::CutOff,
    },
    respond::{Answers, Protocol},
    token::VerifiedToken,
};

/// Instructions for the response to an admitted request.
pub(super) struct ResponsePlan {
    /// The token to watch while an incomplete response is sent.
    token: Option<Arc<dyn AdmittedToken>>,
    last_event: Option<Arc<str>>,
    protocol: Protocol,
    /// Whether the request's body was cut off, and what rejects the request in that case.
    upload: Option<(CutOff, Answers)>,
}

impl<C: Send + Sync + 'static> Shared<C> {
    /// Adds the verified token and its watch to the request, next to those of outer layers.
    pub(super) fn admit<K, B>(
        &self,
        mut request: Request<B>,
        admitted: Option<Arc<Admitted<C>>>,
        protocol: Protocol,
    ) -> (Request<K::Body>, ResponsePlan)
    where
        B: Body,
        K: RequestBodies<B>,
    {
        let extensions = request.extensions_mut();
        let mut plan = ResponsePlan { token: None, last_event: None, protocol, upload: None };
        let Some(admitted) = admitted else {
            remove_foreign::<C>(extensions);
            #[cfg(feature = "axum")]
            Anonymous::mark::<C>(extensions, self.answers.clone());
            return (request.map(K::whole), plan);
        };
        extensions.insert(admitted.token.clone());
        let watch = RevocationWatch::by_layer(Arc::clone(&admitted) as _);
        // The watch of an outer layer stays in force. A watch that other code has inserted can end
        // the streams sooner, never later.
        if let Some(outer) = extensions.insert(watch) {
            let watch = RevocationWatch::by_layer(Arc::clone(&admitted) as _);
            extensions.insert(watch.within(outer));
        }
        if !self.streams.end {
            return (request.map(K::whole), plan);
        }
        plan.last_event.clone_from(&self.streams.last_event);
        let request = if is_long(request.body()) {
            let cut_off = CutOff::default();
            plan.upload = Some((cut_off.clone(), self.answers.clone()));
            let watch = RevocationWatch::by_layer(Arc::clone(&admitted) as _);
            request.map(|body| K::watched(body, watch, cut_off))
        } else {
            request.map(K::whole)
        };
        plan.token = Some(admitted);
        (request, plan)
    }
}

/// Removes a token from a request that has none for this layer: other middleware may have left it
/// there without verifying it. The token of an outer layer stays, because its watch vouches for it.
fn remove_foreign<C: Send + Sync + 'static>(extensions: &mut Extensions) {
    let Some(token) = extensions.get::<VerifiedToken<C>>() else { return };
    let watch = extensions.get::<RevocationWatch>();
    if !watch.is_some_and(|watch| watch.vouches_for(token)) {
        extensions.remove::<VerifiedToken<C>>();
    }
}

impl ResponsePlan {
    /// Returns the response to send: that of the inner service, watched if it is incomplete, or a
    /// rejection if the request was cut off and the service has failed because of that.
    pub(super) fn release<K, B, E>(&mut self, answer: Result<Response<B>, E>) -> Result<Response<K::Body>, E>
    where
        B: Body,
        K: ResponseBodies<B>,
    {
        if let Some((cut_off, answers)) = &self.upload
            && let Some(reason) = cut_off.reason()
            && self.is_failure(&answer)
        {
            let rejection = answers.reject(reason.into(), self.protocol);
            return Ok(rejection.map(K::answer));
        }
        answer.map(|mut response| match self.token.take() {
            Some(token) if is_long(response.body()) => {
                let ending = Ending::of(self.protocol, &mut response, self.last_event.take());
                // A gRPC handler reports failure in trailers, which are still to come. An HTTP
                // handler has already reported success.
                let upload = self.upload.take().filter(|_| self.protocol == Protocol::Grpc);
                let upload = upload.map(|(cut_off, _)| cut_off);
                response.map(|body| K::watched(body, RevocationWatch::by_layer(token), upload, ending))
            }
            _ => response.map(K::whole),
        })
    }

    fn is_failure<B, E>(&self, answer: &Result<Response<B>, E>) -> bool {
        match (answer, self.protocol) {
            (Ok(response), Protocol::Http) => {
                response.status().is_client_error() || response.status().is_server_error()
            }
            // The status is in trailers that are still to come.
            (Ok(_), Protocol::Grpc) | (Err(_), _) => true,
        }
    }
}
