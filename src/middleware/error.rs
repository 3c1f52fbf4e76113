use tower::BoxError;

/// The error of a body, for whoever stands on the other side of the layer: in one box, and unchanged.
///
/// axum wraps a body's error each time that it takes a body of another type, and looks for the error
/// that it knows, that of a limit, below two such wrappers at most. It wraps what leaves here again, so
/// the wrapper that came in comes off.
pub(super) fn passed_on(error: impl Into<BoxError>) -> BoxError {
    let error = error.into();
    #[cfg(feature = "axum")]
    let error = match error.downcast::<axum_core::Error>() {
        Ok(wrapper) => wrapper.into_inner(),
        Err(error) => error,
    };
    error
}
