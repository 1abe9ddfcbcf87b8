//! The one integration binary.

mod demo;
mod doors;
