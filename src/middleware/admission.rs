//! What becomes of a request that may pass, and of its response.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;

use crate::{
    guard::RevocationWatch,
    middleware::{
        Anonymous, ResponseBody,
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
    /// Puts what was verified into the request, and nothing else: what an earlier layer claims is not ours.
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
            extensions.remove::<VerifiedToken<C>>();
            extensions.insert(Anonymous::<C>::MARK);
            return (outlook, Upload::Whole);
        };
        let watch = RevocationWatch::new(token.shared());
        extensions.insert(token);
        if !self.streams.end {
            extensions.insert(watch);
            return (outlook, Upload::Whole);
        }
        extensions.insert(watch.clone());
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
        answer.map(|response| match self.watch.take() {
            Some(watch) if !response.body().is_end_stream() => {
                let ending = Ending::of(self.protocol, &response, self.last_event.take());
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
