//! What becomes of a request that may pass, and of its response.

use std::sync::Arc;

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body::Body;

#[cfg(feature = "axum")]
use crate::middleware::anonymous::Anonymous;
use crate::{
    guard::RevocationWatch,
    middleware::{
        ResponseBody,
        ending::Ending,
        request_body::{Cut, Upload, is_long},
    },
    respond::{self, Protocol, Respond},
    token::VerifiedToken,
};

/// What the layer does with streams.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    pub(crate) end: bool,
    pub(crate) last_event: Option<Arc<str>>,
}

/// What admitting a request takes, apart from the verdict: the same for all requests of a service.
pub(super) struct Admission<R> {
    pub(super) responder: Arc<R>,
    pub(super) streams: Streams,
}

/// What is left to do once there is a response.
pub(super) struct Outlook<R> {
    watch: Option<RevocationWatch>,
    last_event: Option<Arc<str>>,
    protocol: Protocol,
    upload: Option<(Cut, Arc<R>)>,
}

impl<R: Respond> Admission<R> {
    /// Puts what was verified into the request, beside what layers further out have verified.
    pub(super) fn admit<B, C>(
        &self,
        request: &mut Request<B>,
        token: Option<VerifiedToken<C>>,
        protocol: Protocol,
    ) -> (Outlook<R>, Upload)
    where
        B: Body,
        C: Send + Sync + 'static,
    {
        let extensions = request.extensions_mut();
        let mut outlook = Outlook { watch: None, last_event: None, protocol, upload: None };
        let Some(token) = token else {
            remove_foreign::<C>(extensions);
            #[cfg(feature = "axum")]
            Anonymous::mark::<C>(extensions, Arc::clone(&self.responder) as _);
            return (outlook, Upload::Whole);
        };
        let watch = RevocationWatch::admitted(token.shared());
        extensions.insert(token);
        // What a layer further out has promised stays promised. A watch that is no layer's can end the
        // request's sooner, never later.
        if let Some(outer) = extensions.insert(watch.clone()) {
            extensions.insert(watch.clone().within(outer));
        }
        if !self.streams.end {
            return (outlook, Upload::Whole);
        }
        outlook.last_event.clone_from(&self.streams.last_event);
        let upload = if is_long(request.body()) {
            let cut = Cut::default();
            outlook.upload = Some((Arc::clone(&cut), Arc::clone(&self.responder)));
            Upload::Watched(watch.clone(), cut)
        } else {
            Upload::Whole
        };
        outlook.watch = Some(watch);
        (outlook, upload)
    }
}

/// Removes a token from a request that has none for this layer: whoever has left it there may not have
/// verified it. That of a layer further out stays, which comes with its watch.
fn remove_foreign<C: Send + Sync + 'static>(extensions: &mut Extensions) {
    let Some(token) = extensions.get::<VerifiedToken<C>>() else { return };
    let watch = extensions.get::<RevocationWatch>();
    if !watch.is_some_and(|watch| watch.vouches_for(&token.shared())) {
        extensions.remove::<VerifiedToken<C>>();
    }
}

impl<R: Respond> Outlook<R> {
    /// What goes out for what the inner service has answered: the response, watched if it is not complete, or a refusal, if its request was cut off
    /// and it has failed of that.
    pub(super) fn release<B: Body, E>(
        &mut self,
        answer: Result<Response<B>, E>,
    ) -> Result<Response<ResponseBody<B>>, E> {
        if let Some((cut, responder)) = &self.upload
            && let Some(reason) = cut.get()
            && self.is_failure(&answer)
        {
            let refusal: Response<Bytes> = respond::refuse(&**responder, (*reason).into(), self.protocol);
            return Ok(refusal.map(ResponseBody::refusal));
        }
        answer.map(|mut response| match self.watch.take() {
            Some(watch) if !response.body().is_end_stream() => {
                let ending = Ending::of(self.protocol, &mut response, self.last_event.take());
                // A gRPC handler's verdict is in its trailers. Otherwise it has been given, and was not a failure.
                let upload = self.upload.take().filter(|_| self.protocol == Protocol::Grpc).map(|(cut, _)| cut);
                response.map(|body| ResponseBody::watched(body, watch, upload, ending))
            }
            _ => response.map(ResponseBody::inner),
        })
    }

    fn is_failure<B, E>(&self, answer: &Result<Response<B>, E>) -> bool {
        match (answer, self.protocol) {
            (Ok(response), Protocol::Http) => {
                response.status().is_client_error() || response.status().is_server_error()
            }
            // What it says is in trailers that have not come yet.
            (Ok(_), Protocol::Grpc) | (Err(_), _) => true,
        }
    }
}
