//! [`Credentials`]: how this service authenticates to a transmitter.

use std::{fmt, pin::Pin, sync::Arc};

use http::HeaderValue;
use tower::BoxError;

use super::TransmitterError;

type Current = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<String, BoxError>> + Send>> + Send + Sync>;

/// The value of the header `Authorization` in requests to a transmitter.
#[derive(Clone, Default)]
pub(super) enum Credentials {
    #[default]
    None,
    Fixed(String),
    By(Current),
}

impl Credentials {
    pub(super) fn by<F, Asking, E>(current: F) -> Self
    where
        F: Fn() -> Asking + Send + Sync + 'static,
        Asking: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Self::By(Arc::new(move || {
            let asking = current();
            Box::pin(async move { asking.await.map_err(Into::into) })
        }))
    }

    pub(super) async fn header(&self) -> Result<Option<HeaderValue>, TransmitterError> {
        let text = match self {
            Self::None => return Ok(None),
            Self::Fixed(text) => text.clone(),
            Self::By(current) => current().await.map_err(TransmitterError::Authorization)?,
        };
        header(&text).map(Some).ok_or_else(|| {
            TransmitterError::Authorization("it is empty, or has characters that a header cannot have".into())
        })
    }
}

fn header(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok().filter(|_| !text.trim().is_empty())?;
    value.set_sensitive(true);
    Some(value)
}

/// Without the credentials.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Fixed(_) => "Fixed",
            Self::By(_) => "By",
        })
    }
}
