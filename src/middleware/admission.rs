//! What becomes of a request that may pass, and of its response.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;

use crate::{
    guard::{Keeper, RevocationWatch},
    middleware::{
        Anonymous, RequestBody, ResponseBody,
        ending::Ending,
        request_body::{Cut, is_long},
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

/// All that admitting a request takes, apart from the verdict.
pub(super) struct Admission<R> {
    pub(super) keeper: Arc<dyn Keeper>,
    pub(super) responder: Arc<R>,
    pub(super) streams: Streams,
    pub(super) protocol: Protocol,
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
        self,
        mut request: Request<B>,
        token: Option<VerifiedToken<C>>,
    ) -> (Request<RequestBody<B>>, Outlook<R>)
    where
        B: Body,
        C: Send + Sync + 'static,
    {
        let Self { keeper, responder, streams, protocol } = self;
        let extensions = request.extensions_mut();
        let mut outlook = Outlook { watch: None, last_event: streams.last_event, protocol, upload: None };
        let Some(token) = token else {
            extensions.remove::<VerifiedToken<C>>();
            extensions.remove::<RevocationWatch>();
            extensions.insert(Anonymous::<C>::MARK);
            return (request.map(RequestBody::whole), outlook);
        };
        let watch = RevocationWatch::new(keeper, token.identified());
        extensions.insert(watch.clone());
        extensions.insert(token);
        if !streams.end {
            return (request.map(RequestBody::whole), outlook);
        }
        let request = if is_long(request.body()) {
            let cut = Cut::default();
            outlook.upload = Some((Arc::clone(&cut), responder));
            request.map(|body| RequestBody::watched(body, watch.clone(), cut))
        } else {
            request.map(RequestBody::whole)
        };
        outlook.watch = Some(watch);
        (request, outlook)
    }
}

impl<R: Respond> Outlook<R> {
    /// The response as it goes out: watched, if it is not complete, and a refusal, if its request was cut off.
    pub(super) fn release<B: Body>(&mut self, response: Response<B>) -> Response<ResponseBody<B>> {
        if let Some((cut, responder)) = &self.upload
            && let Some(reason) = cut.get()
        {
            let refusal: Response<Bytes> = respond::refuse(&**responder, (*reason).into(), self.protocol);
            return refusal.map(ResponseBody::refusal);
        }
        match self.watch.take() {
            Some(watch) if !response.body().is_end_stream() => {
                let ending = Ending::of(self.protocol, response.headers(), self.last_event.take());
                let upload = self.upload.take().map(|(cut, _)| cut);
                response.map(|body| ResponseBody::watched(body, watch, upload, ending))
            }
            _ => response.map(ResponseBody::inner),
        }
    }
}
