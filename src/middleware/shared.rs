//! [`Shared`]: the state of a layer and its services.

use std::sync::Arc;

use crate::{
    guard::{Guard, Requirement},
    respond::Answers,
};

/// State that a layer and its services share.
pub(crate) struct Shared<C> {
    pub(crate) guard: Guard<C>,
    pub(crate) answers: Answers,
    pub(crate) streams: Streams,
}

impl<C: Send + Sync + 'static> Shared<C> {
    pub(super) fn require(self, requirement: impl Requirement<C>) -> Self {
        let scope = requirement.scope().unwrap_or_default().to_owned();
        let answers = self.answers.challenge(|challenge| challenge.with_scope(&scope));
        Self { guard: self.guard.require(requirement), answers, ..self }
    }
}

impl<C> Clone for Shared<C> {
    fn clone(&self) -> Self {
        Self { guard: self.guard.clone(), answers: self.answers.clone(), streams: self.streams.clone() }
    }
}

/// Settings for live streams.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    pub(crate) end: bool,
    pub(crate) last_event: Option<Arc<str>>,
}
