//! [`Anonymous`]: marks requests without a token, for the extractors.

use std::{any, any::TypeId, iter, sync::Arc};

use http::{Extensions, Response};

use crate::{
    respond::{AnswerBody, Answers, Protocol, Rejection},
    token::VerifiedToken,
};

/// Marks a request that a layer has allowed without a token, so that an extractor can distinguish
/// it from a request that no such layer has seen.
#[derive(Clone)]
pub(in crate::middleware) struct Anonymous {
    claims: TypeId,
    type_name: &'static str,
    answers: Answers,
    /// The mark of an outer layer.
    outer: Option<Arc<Self>>,
}

impl Anonymous {
    /// Marks a request that a layer with these claims has allowed without a token.
    pub(in crate::middleware) fn mark<C: 'static>(extensions: &mut Extensions, answers: Answers) {
        let outer = extensions.remove::<Self>().map(Arc::new);
        let type_name = any::type_name::<VerifiedToken<C>>();
        extensions.insert(Self { claims: TypeId::of::<C>(), type_name, answers, outer });
    }

    /// The mark of the innermost layer with these claims, if there is one.
    pub(super) fn of<C: 'static>(extensions: &Extensions) -> Option<&Self> {
        Self::all(extensions).find(|mark| mark.claims == TypeId::of::<C>())
    }

    /// The token types of all layers that allowed the request without a token.
    pub(super) fn types(extensions: &Extensions) -> impl Iterator<Item = &'static str> {
        Self::all(extensions).map(|mark| mark.type_name)
    }

    /// The response with which that layer rejects requests without a token.
    pub(super) fn rejection(&self, protocol: Protocol) -> Response<AnswerBody> {
        self.answers.reject(Rejection::Missing, protocol)
    }

    /// The mark of the innermost layer, whatever its claims.
    pub(super) fn innermost(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    fn all(extensions: &Extensions) -> impl Iterator<Item = &Self> {
        iter::successors(Self::innermost(extensions), |mark| mark.outer.as_deref())
    }
}
