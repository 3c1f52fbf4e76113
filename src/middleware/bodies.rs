//! How a layer wraps bodies: [`AnyBodies`] and, with the feature `axum`, `AxumBodies`.

use http_body::Body;

use crate::{
    guard::RevocationWatch,
    middleware::{CutOff, RequestBody, ResponseBody, ending::Ending},
    respond::AnswerBody,
};

/// Bodies of the layer that [`Logout::layer`](crate::Logout::layer) creates. Bodies of any type are
/// wrapped in a [`RequestBody`] on the way in and a [`ResponseBody`] on the way out.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyBodies;

/// Selects the type in which a layer passes a request body of type `B` to the inner service. This
/// trait is sealed.
pub trait RequestBodies<B>: sealed::Sealed {
    /// The type of the body that the inner service receives.
    type Body;

    #[doc(hidden)]
    fn whole(body: B) -> Self::Body;

    #[doc(hidden)]
    fn watched(body: B, watch: RevocationWatch, cut_off: CutOff) -> Self::Body;
}

/// Selects the type in which a layer returns a response body of type `B`. This trait is sealed.
pub trait ResponseBodies<B>: sealed::Sealed {
    /// The type of the body that the caller of the service receives.
    type Body;

    #[doc(hidden)]
    fn whole(body: B) -> Self::Body;

    #[doc(hidden)]
    fn watched(body: B, watch: RevocationWatch, upload: Option<CutOff>, ending: Ending) -> Self::Body;

    #[doc(hidden)]
    fn answer(body: AnswerBody) -> Self::Body;
}

impl<B> RequestBodies<B> for AnyBodies {
    type Body = RequestBody<B>;

    fn whole(body: B) -> RequestBody<B> {
        RequestBody::from(body)
    }

    fn watched(body: B, watch: RevocationWatch, cut_off: CutOff) -> RequestBody<B> {
        RequestBody::watched(body, watch, cut_off)
    }
}

impl<B> ResponseBodies<B> for AnyBodies {
    type Body = ResponseBody<B>;

    fn whole(body: B) -> ResponseBody<B> {
        ResponseBody::whole(body)
    }

    fn watched(body: B, watch: RevocationWatch, upload: Option<CutOff>, ending: Ending) -> ResponseBody<B> {
        ResponseBody::ending_as(body, watch, upload, ending)
    }

    fn answer(body: AnswerBody) -> ResponseBody<B> {
        ResponseBody::answer(body)
    }
}

/// Whether a body may be open for so long that it must be watched.
pub(super) fn is_long(body: &impl Body) -> bool {
    !body.is_end_stream() && body.size_hint().exact().is_none_or(|len| len >= SHORT)
}

pub(super) mod sealed {
    pub trait Sealed: Send + Sync + 'static {}

    impl Sealed for super::AnyBodies {}
}

/// The length in bytes from which a body of known length is watched. Most bodies are shorter, and
/// end soon after the check of their token.
const SHORT: u64 = 64 * 1024;
