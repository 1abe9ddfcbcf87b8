//! The nouns: types that every room may use and that use nothing of ours.

pub mod time;
