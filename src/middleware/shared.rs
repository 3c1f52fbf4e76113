//! [`Shared`]: what a layer is made of, and each of its services uses.

use std::sync::Arc;

use crate::{guard::Guard, respond::Respond};

/// What the requests of a layer share.
pub(crate) struct Shared<C> {
    pub(crate) guard: Guard<C>,
    pub(crate) responder: Arc<dyn Respond>,
    pub(crate) streams: Streams,
}

/// What the layer does with streams.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    pub(crate) end: bool,
    pub(crate) last_event: Option<Arc<str>>,
}
