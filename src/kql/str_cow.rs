//! The texts of cells.

use std::borrow::Cow;
use std::ops::Deref;

use compact_str::CompactString;

/// A text of somebody else, or one of its own: as a `Cow`, but a text of its own that has no more than 24 bytes lies in the
/// cell itself. Whoever compares a column of such texts fetches nothing else from memory, where most of the time goes.
#[derive(Debug, Clone)]
pub enum StrCow<'a> {
    /// Somebody else's.
    Borrowed(&'a str),
    /// Its own.
    Own(CompactString),
}

impl<'a> StrCow<'a> {
    /// The same text, borrowing from this one.
    pub fn borrowed(&self) -> StrCow<'_> {
        StrCow::Borrowed(self)
    }

    /// The same text as its own.
    pub fn into_owned(self) -> StrCow<'static> {
        StrCow::Own(match self {
            Self::Borrowed(text) => text.into(),
            Self::Own(text) => text,
        })
    }

    /// The same as a text that everybody knows.
    pub fn into_cow(self) -> Cow<'a, str> {
        match self {
            Self::Borrowed(text) => Cow::Borrowed(text),
            Self::Own(text) => Cow::Owned(text.into()),
        }
    }

    /// How many bytes of its own it has.
    pub(super) fn own_size(&self) -> usize {
        match self {
            Self::Borrowed(_) => 0,
            Self::Own(text) => text.len(),
        }
    }
}

impl Deref for StrCow<'_> {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Own(text) => text,
        }
    }
}

impl PartialEq for StrCow<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<'a> From<&'a str> for StrCow<'a> {
    fn from(text: &'a str) -> Self {
        Self::Borrowed(text)
    }
}

impl From<String> for StrCow<'_> {
    fn from(text: String) -> Self {
        Self::Own(text.into())
    }
}

impl<'a> From<Cow<'a, str>> for StrCow<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        match text {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_the_same_wherever_it_lies() {
        for text in ["", "short", "twenty-four bytes ------", "twenty-five bytes -------", "größer als vierundzwanzig"]
        {
            let own = StrCow::from(text.to_owned());
            let forms = [own.borrowed(), own.clone(), StrCow::from(text).into_owned(), own.clone().into_cow().into()];
            assert!(forms.iter().all(|form| &**form == text && *form == own), "{text}");
            assert_eq!((own.own_size(), own.borrowed().own_size()), (text.len(), 0));
        }
    }

    #[test]
    fn short_texts_of_its_own_lie_in_the_cell() {
        let inside = |text: &StrCow<'_>| {
            let cell = std::ptr::from_ref(text).addr();
            (cell..cell + size_of::<StrCow<'_>>()).contains(&text.as_ptr().addr())
        };
        assert!(inside(&StrCow::from("Microsoft 365 Defender").into_owned()));
        assert!(!inside(&StrCow::from("Azure Advanced Threat Protection").into_owned()));
    }
}
