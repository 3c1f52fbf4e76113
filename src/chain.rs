//! [`Chain`]: an error and its causes in one line, for events and for the `Debug` of the crate's
//! errors.

use std::{error::Error, fmt, iter};

/// Prints an error and its causes, separated by `: `, each text once.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0, f)?;
        iter::successors(source(self.0), |&error| source(error)).try_for_each(|cause| write!(f, ": {cause}"))
    }
}

/// The nearest cause of an error whose text is not part of the error's own.
///
/// Several libraries have errors that print their cause and return it from `source` as well.
pub(crate) fn source<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let text = error.to_string();
    iter::successors(error.source(), |&cause| cause.source()).find(|cause| !text.ends_with(&cause.to_string()))
}

/// Implements `Debug` for errors as their [`Chain`], because `main` prints an error that it returns
/// with `Debug`.
macro_rules! debug_as_chain {
    ($($error:ty),+ $(,)?) => {$(
        impl ::std::fmt::Debug for $error {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(&$crate::chain::Chain(self), f)
            }
        }
    )+};
}
pub(crate) use debug_as_chain;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: String,
        source: Option<Box<dyn Error + Send + Sync>>,
    }
    debug_as_chain!(Layer);

    /// Builds an error from its texts, the innermost cause first.
    fn layers(texts: &[&str]) -> Layer {
        let wrap = |source: Option<Layer>, text: &&str| {
            Some(Layer { text: (*text).to_owned(), source: source.map(Into::into) })
        };
        texts.iter().fold(None, wrap).expect("there is a text")
    }

    #[test]
    fn each_text_is_printed_once_and_in_order() {
        for (texts, expected) in [
            (&["refused"][..], "refused"),
            (&["refused", "no connection", "cannot check"], "cannot check: no connection: refused"),
            // A text that includes its cause is not followed by the cause.
            (&["refused", "no connection: refused", "cannot check"], "cannot check: no connection: refused"),
            (&["refused", "no connection", "cannot check: no connection"], "cannot check: no connection: refused"),
            (
                &["refused", "no connection: refused", "cannot: no connection: refused"],
                "cannot: no connection: refused",
            ),
            (&["refused", "", "cannot check"], "cannot check: refused"),
        ] {
            let error = layers(texts);
            assert_eq!(Chain(&error).to_string(), expected);
            assert_eq!(format!("{error:?}"), expected);
            assert_eq!(format!("{error:#?}"), expected);
        }
    }
}
