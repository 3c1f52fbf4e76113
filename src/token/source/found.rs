//! [`Found`]: the tokens that a [`TokenSource`](crate::token::TokenSource) has found in a request.

use std::borrow::Cow;

use crate::token::source::token68::{InvalidRequest, token68};

/// The tokens of a request: the one that its client has set deliberately, and those in cookies.
#[derive(Default)]
pub(crate) struct Found<'a> {
    given: Option<Candidate<'a>>,
    cookies: Vec<&'a str>,
}

/// A value in the place of a token, whose characters may be unchecked.
pub(crate) enum Candidate<'a> {
    Unchecked(&'a [u8]),
    Token(Cow<'a, str>),
}

impl<'a> Found<'a> {
    /// Adds the token that the client has set. A second one must be equal.
    pub(super) fn give(&mut self, candidate: Candidate<'a>, max_len: usize) -> Result<(), InvalidRequest> {
        let differs = |given: &Candidate<'_>| given.as_bytes() != candidate.as_bytes();
        if candidate.as_bytes().len() > max_len || self.given.as_ref().is_some_and(differs) {
            return Err(InvalidRequest);
        }
        self.given = Some(candidate);
        Ok(())
    }

    pub(super) fn cookies(&mut self) -> &mut Vec<&'a str> {
        &mut self.cookies
    }

    /// Returns the tokens that count: the one that the client has set or, if there is none, those
    /// of cookies.
    #[inline]
    pub(crate) fn into_counting(self) -> Counting<'a> {
        match self.given {
            Some(candidate) => Counting::Given(Some(candidate)),
            None => Counting::Cookies(self.cookies.into_iter()),
        }
    }

    /// Returns the texts of all tokens, whether they count or not.
    pub(crate) fn into_all(self) -> Vec<String> {
        let given = self.given.and_then(|candidate| candidate.into_token().ok()).map(Cow::into_owned);
        given.into_iter().chain(self.cookies.into_iter().map(str::to_owned)).collect()
    }

    /// Whether there is more than one token.
    pub(crate) fn has_several(&self) -> bool {
        self.cookies.len() + usize::from(self.given.is_some()) > 1
    }
}

/// An iterator over the tokens that count.
pub(crate) enum Counting<'a> {
    Given(Option<Candidate<'a>>),
    Cookies(std::vec::IntoIter<&'a str>),
}

impl Counting<'_> {
    #[inline]
    pub(crate) fn are_cookies(&self) -> bool {
        matches!(self, Self::Cookies(_))
    }
}

impl<'a> Iterator for Counting<'a> {
    type Item = Candidate<'a>;

    #[inline]
    fn next(&mut self) -> Option<Candidate<'a>> {
        match self {
            Self::Given(candidate) => candidate.take(),
            Self::Cookies(tokens) => tokens.next().map(|token| Candidate::Token(Cow::Borrowed(token))),
        }
    }
}

impl<'a> Candidate<'a> {
    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Unchecked(text) => text,
            Self::Token(token) => token.as_bytes(),
        }
    }

    #[inline]
    pub(crate) fn into_token(self) -> Result<Cow<'a, str>, InvalidRequest> {
        match self {
            Self::Unchecked(text) => token68(text).map(Cow::Borrowed),
            Self::Token(token) => Ok(token),
        }
    }
}
