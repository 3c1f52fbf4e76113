//! [`Shared`]: the state of a layer and its services.

use std::sync::Arc;

use crate::{guard::Guard, respond::Respond};

/// State that a layer and its services share.
pub(crate) struct Shared<C> {
    pub(crate) guard: Guard<C>,
    pub(crate) responder: Arc<dyn Respond>,
    pub(crate) streams: Streams,
}

/// Settings for live streams.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    pub(crate) end: bool,
    pub(crate) last_event: Option<Arc<str>>,
}
